"""Reads nothing: what the head's bias alone can say, which is how frequent each class is."""

from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn


class Majority(nn.Module):
    """h_t = 0, so that the logits are the head's bias: trained, the logarithms of the class shares.

    input_size: features per step (d), which are not looked at.
    """

    def __init__(self, *, input_size: int) -> None:
        super().__init__()
        self.output_size = 1
        self.backward_size = 0

    def forward(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b t h"]:
        """Return zeros."""
        return x.new_zeros(*x.shape[:2], self.output_size)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return nothing: there is nothing to learn before the head."""
        return []

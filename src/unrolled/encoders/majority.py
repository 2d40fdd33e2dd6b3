"""Reads nothing: what the head's bias alone can say, which is how frequent each class is."""

from jaxtyping import Float, Int
from torch import Tensor

from unrolled.encoders.blocks.reader import Reader, State


class Majority(Reader):
    """h_t = 0, so that the logits are the head's bias: trained, the logarithms of the class shares.

    input_size: features per step (d), which are not looked at.
    """

    def __init__(self, *, input_size: int) -> None:
        super().__init__(input_size=input_size, output_size=1)

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return zeros."""
        return x.new_zeros(*x.shape[:2], self.output_size), ()

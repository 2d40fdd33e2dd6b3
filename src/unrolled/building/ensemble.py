"""Several networks that classify together: the mean of their class probabilities."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class Ensemble(nn.Module):
    """Logits whose softmax is the mean of the members' class probabilities.

    members: modules that return logits, (b, c), from prepared sequences and their lengths, such as
        `building.network.Network`.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def member_logits(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "m b c"]:
        """Return the logits of each of the m members."""
        return torch.stack([member(x, lengths) for member in self.members])

    def forward(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b c"]:
        """Return the logits of prepared sequences."""
        return average(self.member_logits(x, lengths))


def average(logits: Float[Tensor, "m b c"]) -> Float[Tensor, "b c"]:
    """Return the logarithm of the mean of the probabilities of m members.

    The logits of a single member are returned as they are.
    """
    if len(logits) == 1:
        return logits[0]
    return logits.log_softmax(dim=2).logsumexp(dim=0) - math.log(len(logits))

"""Several networks that classify together: the mean of their class probabilities."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

# Prepared sequences and their lengths. Preparations differ in the number of channels.
Input = tuple[Float[Tensor, "b t _d"], Int[Tensor, " b"]]


class Ensemble(nn.Module):
    """Logits whose softmax is the mean of the members' class probabilities.

    Members can differ in their preparation, for example in the channels that are added. Every
    distinct preparation of the same sequences is an input.

    members: modules that return logits, (b, c), from prepared sequences and their lengths, such as
        `building.network.Network`.
    input_numbers: the number of the input that each member reads, counted from 0.
    temperature: by which the logits of the whole are divided, > 0, or None; see
        `classifier.calibration`.
    """

    temperature: Tensor | None

    def __init__(
        self,
        members: Sequence[nn.Module],
        *,
        input_numbers: Sequence[int],
        temperature: float | None,
    ) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.input_numbers = list(input_numbers)
        self.register_buffer(
            "temperature", None if temperature is None else torch.tensor(temperature)
        )

    def readers(self, number: int) -> list[int]:
        """Return the numbers of the members that read an input, counted from 0."""
        return [member for member, read in enumerate(self.input_numbers) if read == number]

    def forward(self, inputs: Sequence[Input]) -> Float[Tensor, "b c"]:
        """Return the logits of the same sequences in each preparation."""
        numbered = zip(self.members, self.input_numbers, strict=True)
        logits = torch.stack([member(*inputs[k]).float() for member, k in numbered])
        return average(logits, temperature=self.temperature)


def average(
    logits: Float[Tensor, "m b c"], *, temperature: Float[Tensor, ""] | None
) -> Float[Tensor, "b c"]:
    """Return the logarithm of the mean of the probabilities of m members.

    The logits of a single member are not normalized.

    temperature: by which the result is divided, or None.
    """
    together = logits[0]
    if len(logits) > 1:
        together = logits.log_softmax(dim=2).logsumexp(dim=0) - math.log(len(logits))
    return together if temperature is None else together / temperature

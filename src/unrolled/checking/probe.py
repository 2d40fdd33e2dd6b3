"""Random sequences with which a network is checked, and copies of networks to check."""

import copy
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.contracts import real_steps
from unrolled.errors import ContractError

LENGTHS = (1, 9, 4, 9, 2, 6)
NUM_STEPS = 13  # more than the sequences have, as in a data set with longer ones
NOISE = 0.1  # standard deviation of the noise that is added to each weight
ROUNDING = 1e-12  # error of a Fourier transform where the exact value is 0

AnyModule = TypeVar("AnyModule", bound=nn.Module)


@dataclass(frozen=True)
class Probe:
    """Sequences, (b, t, d), and how closely two computations of the same value must agree.

    padding: standard deviation of the values that are put into the padding.
    rtol: tolerance relative to a value.
    rtol_of_largest: tolerance relative to the largest value of a tensor.
    """

    x: Float[Tensor, "b t d"]
    lengths: Int[Tensor, " b"]
    padding: float
    rtol: float
    rtol_of_largest: float

    @property
    def full_lengths(self) -> Int[Tensor, " b"]:
        """Lengths with which every step is real."""
        return torch.full_like(self.lengths, self.x.shape[1])

    def padded(self, *, num_more: int) -> Float[Tensor, "b u d"]:
        """Return x with other values in the padding, and num_more further steps of padding."""
        num, num_steps, num_features = self.x.shape
        padded = self.padding * torch.randn(
            num, num_steps + num_more, num_features, dtype=self.x.dtype
        )
        real = real_steps(self.lengths, num_steps)
        padded[:, :num_steps][real] = self.x[real]
        return padded

    def require_same(self, actual: Tensor, expected: Tensor, message: str) -> None:
        """Refuse values that differ.

        Raises:
            ContractError: with the message and the largest difference.
        """
        if actual.shape != expected.shape:
            raise ContractError(
                f"{message} (shape {(*actual.shape,)} instead of {(*expected.shape,)})"
            )
        largest = expected.abs().max().item()
        tolerance = ROUNDING + self.rtol_of_largest * largest
        if not torch.allclose(actual, expected, rtol=self.rtol, atol=tolerance):
            difference = (actual - expected).abs().max().item()
            raise ContractError(
                f"{message} (largest difference {difference:.2g}, largest value {largest:.2g})"
            )


def make_probe(
    *,
    num_features: int,
    dtype: torch.dtype,
    lengths: tuple[int, ...],
) -> Probe:
    """Return sequences of N(0, 1).

    In double precision, results must agree to 1e-7 of their size, and the padding has values of
    10,000. Single precision is for modules that cannot compute in double precision.
    """
    ends = torch.tensor(lengths)
    x = torch.randn(len(lengths), max(lengths), num_features, dtype=dtype)
    if dtype == torch.float64:
        return Probe(x, ends, padding=1e4, rtol=1e-7, rtol_of_largest=0.0)
    return Probe(x, ends, padding=10.0, rtol=0.0, rtol_of_largest=1e-3)


def with_noise(network: AnyModule, *, deviation: float) -> AnyModule:
    """Return a copy in which no weight is zero, because a zero can hide a mistake.

    deviation: standard deviation of the noise added to each weight, >= 0.
    """
    network = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(deviation * torch.randn_like(parameter))
    return network

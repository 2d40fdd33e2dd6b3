"""Mean, deviation and range of each feature, from blocks of steps.

Blocks are merged as in Chan, Golub and LeVeque (1979), "Updating formulae and a pairwise algorithm
for computing sample variances", equation 2.1, so that one pass is enough and an offset that is
large against the deviation does no harm.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """Statistics of steps, in double precision.

    count: number of steps, >= 1.
    mean, deviation: with divisor count, (d,).
    low, high: smallest and largest value, (d,).
    """

    count: int
    mean: Float[Tensor, " d"]
    deviation: Float[Tensor, " d"]
    low: Float[Tensor, " d"]
    high: Float[Tensor, " d"]

    @classmethod
    def of(cls, blocks: Iterable[Float[Tensor, "_ d"]]) -> "Moments":
        """Return the statistics of the steps of all blocks. No value is NaN."""
        count = 0
        mean = squares = low = high = torch.zeros(0, dtype=torch.float64)
        for block in blocks:
            num = len(block)
            block_mean = block.mean(dim=0, dtype=torch.float64)
            block_squares = (block - block_mean).square_().sum(dim=0)
            block_low, block_high = block.aminmax(dim=0)
            if count == 0:
                count, mean, squares, low, high = (
                    *(num, block_mean, block_squares),
                    *(block_low, block_high),
                )
                continue
            difference = block_mean - mean
            share = num / (count + num)
            squares = squares + block_squares + difference.square() * (count * share)
            mean = mean + difference * share
            low, high = torch.minimum(low, block_low), torch.maximum(high, block_high)
            count += num
        return cls(count, mean, (squares / count).sqrt(), low.double(), high.double())

    @property
    def is_constant(self) -> Tensor:
        """Whether all values of a feature are equal, (d,)."""
        return self.low == self.high

    def over_features(self) -> "Moments":
        """Return the statistics of all numbers, as one feature."""
        mean = self.mean.mean(dim=0, keepdim=True)
        variance = (self.deviation.square() + (self.mean - mean).square()).mean(dim=0, keepdim=True)
        return Moments(
            count=self.count * len(self.mean),
            mean=mean,
            deviation=variance.sqrt(),
            low=self.low.amin(dim=0, keepdim=True),
            high=self.high.amax(dim=0, keepdim=True),
        )

"""The range of each feature in the training set, to find values far outside of it."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unrolled.contracts import real_steps

FAR = 10.0  # times the width of the training range
BLOCK_VALUES = 2**22  # compared at once


@dataclass(frozen=True)
class Ranges:
    """The smallest and the largest value of each feature in the training set, (d,)."""

    lowest: Float[Tensor, " d"]
    highest: Float[Tensor, " d"]

    @classmethod
    def fit(cls, x: Float[Tensor, "n t d"], lengths: Int[Tensor, " n"]) -> "Ranges":
        """Return the ranges over the real steps of x, which has no NaN."""
        lowest, highest = x[0, 0].clone(), x[0, 0].clone()
        num_rows = max(1, BLOCK_VALUES // x[0].numel())
        for start in range(0, len(x), num_rows):
            part = x[start : start + num_rows]
            real = real_steps(lengths[start : start + num_rows], x.shape[1])[:, :, None]
            # a first value instead of padding changes neither the smallest nor the largest
            values = torch.where(real, part, part[:, :1])
            lowest = torch.minimum(lowest, values.amin(dim=(0, 1)))
            highest = torch.maximum(highest, values.amax(dim=(0, 1)))
        return cls(lowest, highest)

    def limits(self) -> tuple[Float[Tensor, " d"], Float[Tensor, " d"]]:
        """Return the limits below and above which a value is far outside of the range.

        They are 10 times the width of the range below and above it. A feature that is constant in
        the training set is not scaled, and its range counts as having the width 1.
        """
        width = self.highest - self.lowest
        margin = FAR * torch.where(width == 0, 1.0, width)
        return self.lowest - margin, self.highest + margin

    def to_plain(self) -> dict[str, list[float]]:
        """Return plain values for a JSON file; float32 values are kept exactly."""
        return {"lowest": self.lowest.tolist(), "highest": self.highest.tolist()}

    @classmethod
    def from_plain(cls, values: dict[str, list[float]]) -> "Ranges":
        """Return the object from which `to_plain` made these values."""
        return cls(torch.tensor(values["lowest"]), torch.tensor(values["highest"]))

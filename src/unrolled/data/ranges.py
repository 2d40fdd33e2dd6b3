"""The range of each feature in the training set, to find values far outside of it."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

FAR = 10.0  # times the width of the training range


@dataclass(frozen=True)
class Ranges:
    """The smallest and the largest value of each feature in the training set, (d,)."""

    lowest: Float[Tensor, " d"]
    highest: Float[Tensor, " d"]

    def limits(self) -> tuple[Float[Tensor, " d"], Float[Tensor, " d"]]:
        """Return the limits below and above which a value is far outside of the range.

        They are 10 times the width of the range below and above it. A feature that is constant in
        the training set is not scaled, and its range counts as having the width 1.
        """
        width = self.highest - self.lowest
        margin = FAR * torch.where(width == 0, 1.0, width)
        return self.lowest - margin, self.highest + margin

    def to_plain(self) -> dict[str, list[float]]:
        """Return plain values for a JSON file, which keeps them exactly."""
        return {"lowest": self.lowest.tolist(), "highest": self.highest.tolist()}

    @classmethod
    def from_plain(cls, values: dict[str, list[float]]) -> "Ranges":
        """Return the object from which `to_plain` made these values."""
        lowest, highest = (
            torch.tensor(values[name], dtype=torch.float64) for name in ("lowest", "highest")
        )
        return cls(lowest, highest)

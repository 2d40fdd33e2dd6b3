"""Missing values (NaN) are filled with what the training part has in their place."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unrolled.config.choices import MISSING_MODES
from unrolled.contracts import real_steps


@dataclass(frozen=True)
class Filling:
    """Replaces NaN in real steps, in one of these ways.

    refuse: not at all; there is none.
    forward: by the last value before it in its sequence; by the mean where there is none.
    mean: by the mean of its feature.
    mask: by the mean, and a further feature per feature is 1 where a value was missing, else 0.

    mean: of each feature over what is there in the training part, 0 where nothing is, (d,).
    """

    mode: str
    mean: Float[Tensor, " d"]

    @classmethod
    def fit(cls, x: Float[Tensor, "n t d"], lengths: Int[Tensor, " n"], *, mode: str) -> "Filling":
        """Return the means of the real steps of x."""
        assert mode in MISSING_MODES
        if mode == "refuse":
            return cls(mode, torch.zeros(x.shape[2]))
        real = real_steps(lengths, x.shape[1])
        there = real[:, :, None] & ~x.isnan()
        sums = torch.where(there, x, 0.0).sum(dim=(0, 1), dtype=torch.float64)
        return cls(mode, (sums / there.sum(dim=(0, 1)).clamp(min=1)).to(x.dtype))

    def __call__(self, x: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d2"]:
        """Return x without NaN; d2 is 2 d for mask, else d."""
        if self.mode == "refuse":
            return x
        missing = x.isnan()
        if self.mode == "forward":
            steps = torch.arange(x.shape[1])[:, None]
            newest = torch.where(missing, -1, steps).cummax(dim=1).values  # (n, t, d)
            filled = x.gather(1, newest.clamp(min=0))
            return torch.where(newest < 0, self.mean, filled)
        filled = torch.where(missing, self.mean, x)
        return torch.cat([filled, missing.to(x.dtype)], dim=2) if self.mode == "mask" else filled

    def as_plain(self) -> dict[str, str | list[float]]:
        """Return plain values for a JSON file."""
        return {"mode": self.mode, "mean": self.mean.tolist()}

    @classmethod
    def from_plain(cls, values: dict[str, str | list[float]] | None) -> "Filling":
        """Return what `as_plain` wrote; runs of version 0.1 wrote nothing, and refuse."""
        if values is None:
            return cls("refuse", torch.zeros(0))
        return cls(str(values["mode"]), torch.tensor(values["mean"]))

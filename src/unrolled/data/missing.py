"""Fills missing values (NaN) with values of the sequence or means of the training set."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from unrolled.config.choices import MISSING_MODES


@dataclass(frozen=True)
class Filling:
    """Replaces NaN in real steps.

    mode: one of
        refuse: there is no NaN, nothing is replaced.
        forward: the previous value of the sequence, or the mean if there is none.
        mean: the mean of the feature.
        mask: the mean, and for each feature another one that is 1 where a value was missing,
            else 0. Codes of words stay the last features and have no mask.
    mean: mean of each feature over the values that are present in the training set, or 0 if there
        are none, (d,). 0, the code of an unknown word, for codes of words.
    num_codes: how many features, the last ones, are codes of words, >= 0.
    """

    mode: str
    mean: Float[Tensor, " d"]
    num_codes: int

    @classmethod
    def fit(
        cls,
        blocks: Iterable[Float[Tensor, "_ d"]],
        *,
        mode: str,
        num_features: int,
        num_codes: int,
    ) -> "Filling":
        """Return the means of the real steps in all blocks.

        num_features: d.
        num_codes: how many of them, the last ones, are codes of words.
        """
        assert mode in MISSING_MODES
        sums = torch.zeros(num_features, dtype=torch.float64)
        counts = torch.zeros(num_features, dtype=torch.long)
        if mode != "refuse":
            for block in blocks:
                sums += block.nansum(dim=0, dtype=torch.float64)
                counts += (~block.isnan()).sum(dim=0)
        mean = sums / counts.clamp(min=1)
        mean[num_features - num_codes :] = 0.0
        return cls(mode, mean, num_codes)

    def __call__(self, x: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d2"]:
        """Return x without NaN; d2 is d, plus a mask per number for mask."""
        if self.mode == "refuse":
            return x
        missing = x.isnan()
        if self.mode == "forward":
            steps = torch.arange(x.shape[1])[:, None]
            newest = torch.where(missing, -1, steps).cummax(dim=1).values  # (n, t, d)
            filled = x.gather(1, newest.clamp(min=0))
            return torch.where(newest < 0, self.mean, filled)
        filled = torch.where(missing, self.mean, x)
        if self.mode != "mask":
            return filled
        num_numbers = x.shape[2] - self.num_codes
        masks = missing[:, :, :num_numbers].to(x.dtype)
        return torch.cat([filled[:, :, :num_numbers], masks, filled[:, :, num_numbers:]], dim=2)

    def start(self, num: int) -> Float[Tensor, "n d"]:
        """Return the values with which the first steps of n streams are filled."""
        return self.mean.expand(num, -1)

    def step(
        self, x_t: Float[Tensor, "n d"], newest: Float[Tensor, "n d"]
    ) -> tuple[Float[Tensor, "n d2"], Float[Tensor, "n d"]]:
        """Return one step of streams without NaN, and the values for the next step.

        newest: the values that the call for the previous step returned.
        """
        if self.mode == "forward":
            newest = torch.where(x_t.isnan(), newest, x_t)
            return newest, newest
        return x_t if self.mode == "refuse" else self(x_t[:, None])[:, 0], newest

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for a JSON file."""
        return {"mode": self.mode, "mean": self.mean.tolist(), "num_codes": self.num_codes}

    @classmethod
    def from_plain(cls, values: dict[str, Any]) -> "Filling":
        """Return the object from which `to_plain` made these values."""
        mean = torch.tensor(values["mean"], dtype=torch.float64)
        return cls(values["mode"], mean, values.get("num_codes", 0))

"""Standardisation with the statistics of the training set."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from unrolled.config.choices import STANDARDIZE_MODES
from unrolled.contracts import FLOAT32_RESOLUTION
from unrolled.data.moments import Moments
from unrolled.errors import ConfigError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Standardization:
    """x' = (x - mean) / scale in float64, with one number per feature or one for all (d or 1)."""

    mean: Float[Tensor, " f"]
    scale: Float[Tensor, " f"]

    @classmethod
    def fit(cls, moments: Moments, *, mode: str, names: Sequence[str]) -> "Standardization":
        """Return the statistics of the training set; a constant feature gets scale 1.

        moments: of the real steps.
        mode: none (mean 0, scale 1), global (one mean and deviation: images, whose borders are
            all but constant) or feature (one per feature: sensors in different units).
        names: of the features, (d,), for the warning about constant features.

        Raises:
            ConfigError: another mode.
        """
        if mode not in STANDARDIZE_MODES:
            raise ConfigError(
                f"data.standardize={mode!r}: need one of {', '.join(STANDARDIZE_MODES)}"
            )
        if mode == "none":
            return cls(
                mean=torch.zeros(1, dtype=torch.float64), scale=torch.ones(1, dtype=torch.float64)
            )
        if mode == "global":
            moments, names = moments.over_features(), ["all of them"]
        constant = moments.is_constant
        if bool(constant.any()):
            log.warning(
                "%d of %d features are constant in the training set and are not scaled: %s",
                int(constant.sum()),
                len(constant),
                ", ".join(names[index] for index in constant.nonzero().flatten().tolist()[:10]),
            )
        return cls(mean=moments.mean, scale=torch.where(constant, 1.0, moments.deviation))

    def with_codes(self, *, num_numbers: int, num_codes: int) -> "Standardization":
        """Return the statistics with codes of words as further features, which are not changed.

        num_numbers: features before them.
        """
        mean = torch.cat([self.mean.expand(num_numbers), torch.zeros(num_codes)])
        scale = torch.cat([self.scale.expand(num_numbers), torch.ones(num_codes)])
        return Standardization(mean, scale)

    def lost_features(self, moments: Moments) -> list[int]:
        """Return which features vary so little that float32 loses the differences, standardised.

        moments: of the features before standardisation.
        """
        largest = torch.maximum(self(moments.low).abs(), self(moments.high).abs())
        is_lost = moments.deviation / self.scale < FLOAT32_RESOLUTION * largest
        lost: list[int] = (is_lost & ~moments.is_constant).nonzero().flatten().tolist()
        return lost

    def __call__(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """Return x standardised."""
        return (x - self.mean) / self.scale

    def to_plain(self) -> dict[str, list[float]]:
        """Return plain values for a JSON file, which keeps them exactly."""
        return {"mean": self.mean.tolist(), "scale": self.scale.tolist()}

    @classmethod
    def from_plain(cls, values: dict[str, list[float]]) -> "Standardization":
        """Return the object from which `to_plain` made these values."""
        mean, scale = (
            torch.tensor(values[name], dtype=torch.float64) for name in ("mean", "scale")
        )
        return cls(mean=mean, scale=scale)

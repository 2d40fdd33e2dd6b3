"""Standardisation with the statistics of the training part."""

import logging
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unrolled.config.choices import STANDARDIZE_MODES
from unrolled.contracts import real_steps
from unrolled.errors import ConfigError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Standardization:
    """x' = (x - mean) / scale, each with one number per feature or one for all (d or 1)."""

    mean: Float[Tensor, " f"]
    scale: Float[Tensor, " f"]

    @classmethod
    def fit(
        cls, x: Float[Tensor, "n t d"], lengths: Int[Tensor, " n"], *, mode: str
    ) -> "Standardization":
        """Return the statistics of the real steps of x; a constant feature gets scale 1.

        mode: none (mean 0, scale 1), global (one mean and deviation: images, whose borders are
            all but constant) or feature (one per feature: sensors in different units).

        Raises:
            ConfigError: another mode.
        """
        if mode not in STANDARDIZE_MODES:
            raise ConfigError(
                f"data.standardize={mode!r}: need one of {', '.join(STANDARDIZE_MODES)}"
            )
        if mode == "none":
            return cls(mean=torch.zeros(1), scale=torch.ones(1))
        if bool((lengths == x.shape[1]).all()):
            real = x.flatten(0, 1)  # (steps, d), a view
        else:
            real = x[real_steps(lengths, x.shape[1])]  # (steps, d)
        if mode == "global":
            real = real.reshape(-1, 1)
        mean = real.mean(dim=0, dtype=torch.float64)
        constant = real.amin(dim=0) == real.amax(dim=0)
        centred = real - mean.to(real.dtype)
        # squares of numbers as small as 1e-25 or as large as 1e30 leave the range of float32
        largest = torch.where(constant, 1.0, centred.abs().amax(dim=0))
        variance = centred.div_(largest).square_().mean(dim=0, dtype=torch.float64)
        if bool(constant.any()):
            log.warning(
                "%d of %d features are constant in the training part and are not scaled: %s",
                int(constant.sum()),
                len(constant),
                ", ".join(str(index) for index in constant.nonzero().flatten().tolist()[:10]),
            )
        scale = torch.where(constant, 1.0, variance.sqrt() * largest)
        return cls(mean=mean.to(x.dtype), scale=scale.to(x.dtype))

    def __call__(self, x: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
        """Return x standardised."""
        return (x - self.mean) / self.scale

    def as_lists(self) -> dict[str, list[float]]:
        """Return plain values for a JSON file; float32 survives the way there and back."""
        return {"mean": self.mean.tolist(), "scale": self.scale.tolist()}

    @classmethod
    def from_lists(cls, lists: dict[str, list[float]]) -> "Standardization":
        """Return what `as_lists` wrote."""
        return cls(mean=torch.tensor(lists["mean"]), scale=torch.tensor(lists["scale"]))

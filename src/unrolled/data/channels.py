"""Further channels that are computed from each sequence: its own scale, its changes, its level."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unrolled.contracts import real_steps
from unrolled.errors import DataError

LIMIT = 20.0  # of a value that is standardised within its sequence
NO_SPREAD = 1e-8  # added to the deviation within a sequence, in deviations of the training set
NO_SCALE = 1e-6  # the same, before the logarithm
CONSTANT = 1e-3  # a channel with a smaller deviation in the training set is left out
COPY = 0.99  # a correlation above which a channel counts as a copy


@dataclass(frozen=True, kw_only=True)
class ChannelSettings:
    """Which channels are added to the standardised features x of a sequence.

    per_sequence: (x - m) / s, with mean m and standard deviation s of the sequence, limited to
        -20 to 20.
    differences: x_t - x_{t-1} of each channel so far, 0 at the first step.
    level_and_scale: asinh(m) and log(s), the same at each step.
    causal: m and s at step t are computed from steps 0 to t, so that a channel never depends on
        later steps.
    """

    per_sequence: bool
    differences: bool
    level_and_scale: bool
    causal: bool

    @property
    def adds_any(self) -> bool:
        """Whether any channel is added."""
        return self.per_sequence or self.differences or self.level_and_scale


@dataclass(frozen=True, kw_only=True)
class Channels:
    """The channels of a run, as fitted on its training set.

    Channels that are constant in the training set, and copies of a feature, are left out. The
    others are standardised over the training set.

    settings: which channels there are.
    num_features: features of a sequence before channels are added (d), >= 1.
    num_masks: how many of them, the last ones, mark missing values, >= 0. They are kept as they
        are, and nothing is computed from them.
    kept: numbers of the channels that are kept, (k,).
    mean, scale: of these channels, (k,).
    """

    settings: ChannelSettings
    num_features: int
    num_masks: int
    kept: list[int]
    mean: list[float]
    scale: list[float]

    @classmethod
    def fit(
        cls,
        blocks: Iterable[tuple[Float[Tensor, "_ _ d"], Int[Tensor, " _"]]],
        *,
        settings: ChannelSettings,
        num_features: int,
        num_masks: int,
    ) -> "Channels":
        """Return the channels of a training set of standardised features.

        blocks: features and lengths of some sequences at a time.
        num_features: features in the blocks (d).
        num_masks: how many of them, the last ones, mark missing values.
        """
        num_features -= num_masks
        totals = torch.zeros(3, 0)
        offset = torch.zeros(0)  # squares lose a deviation that is small against the level
        num_steps = 0
        for x, lengths in blocks:
            values = _computed(x[:, :, :num_features], lengths, settings)
            real = values[real_steps(lengths, x.shape[1])]  # (steps, k)
            num_steps += len(real)
            offset = offset if offset.numel() else real[0]
            real = real - offset
            # products with the next d channels: of each feature with its copy, if there is one
            products = real * real.roll(-num_features, dims=1)
            sums = torch.stack([part.sum(dim=0) for part in (real, real.square(), products)])
            totals = sums if not totals.numel() else totals + sums
        mean, square, product = totals / num_steps
        deviation = (square - mean.square()).clamp(min=0).sqrt()
        kept = deviation > CONSTANT
        if settings.per_sequence:
            own, copy = slice(num_features), slice(num_features, 2 * num_features)
            covariance = product[own] - mean[own] * mean[copy]
            is_copy = covariance > COPY * deviation[own] * deviation[copy]
            for first in (1, 3) if settings.differences else (1,):  # the copy and its differences
                kept[first * num_features : (first + 1) * num_features] &= ~is_copy
        if not bool(kept.any()):
            kept[:num_features] = True
        chosen = kept.nonzero()[:, 0]
        return cls(
            settings=settings,
            num_features=num_features + num_masks,
            num_masks=num_masks,
            kept=chosen.tolist(),
            mean=(mean + offset)[chosen].tolist(),
            scale=deviation[chosen].clamp(min=CONSTANT).tolist(),
        )

    def __call__(
        self, x: Float[Tensor, "n t d"], lengths: Int[Tensor, " n"]
    ) -> Float[Tensor, "n t k"]:
        """Return the channels of sequences of standardised features, in double precision.

        Padding becomes 0.

        Raises:
            DataError: another number of features than in the training set.
        """
        if x.shape[2] != self.num_features:
            raise DataError(
                f"the run was trained on {self.num_features} features per step, "
                f"this data has {x.shape[2]}"
            )
        num_values = self.num_features - self.num_masks
        values = self._chosen(_computed(x[:, :, :num_values], lengths, self.settings))
        real = real_steps(lengths, x.shape[1])[:, :, None]
        return torch.cat([torch.where(real, values, 0.0), x[:, :, num_values:]], dim=2)

    @property
    def is_causal(self) -> bool:
        """Whether no channel depends on later steps."""
        settings = self.settings
        return settings.causal or not (settings.per_sequence or settings.level_and_scale)

    def start(self, num: int) -> tuple[Tensor, ...]:
        """Return the state of n streams before the first step: zeros.

        It has the number of steps, the first one, sums of values and squares around the first one,
        and the channels of the previous step.
        """
        num_values = self.num_features - self.num_masks
        zero = torch.zeros(num, num_values, dtype=torch.float64)
        before = zero.repeat(1, 2 if self.settings.per_sequence else 1)
        return zero[:, :1], zero, zero, zero, before

    def step(
        self, x_t: Float[Tensor, "n d"], state: tuple[Tensor, ...]
    ) -> tuple[Float[Tensor, "n k"], tuple[Tensor, ...]]:
        """Return the channels of one step of streams, and the state for the next.

        They are the same as in whole sequences, if the channels are causal.
        """
        num_values = self.num_features - self.num_masks
        count, first, total, squares, before = state
        x, masks = x_t[:, :num_values], x_t[:, num_values:]
        first = torch.where(count == 0, x, first)
        total, squares = total + (x - first), squares + (x - first).square()
        mean = total / (count + 1)
        deviation = (squares / (count + 1) - mean.square()).clamp(min=0).sqrt()
        so_far = _so_far(x, mean + first, deviation, self.settings)
        before = torch.where(count == 0, so_far, before)
        pair = torch.stack([before, so_far], dim=1)
        values = _extended(pair, (mean + first)[:, None], deviation[:, None], self.settings)
        values = self._chosen(values[:, 1])
        return torch.cat([values, masks], dim=1), (count + 1, first, total, squares, so_far)

    def _chosen(self, values: Float[Tensor, "*n k"]) -> Float[Tensor, "*n k2"]:
        """Return the channels that are kept, standardised."""
        mean = torch.tensor(self.mean, dtype=torch.float64)
        scale = torch.tensor(self.scale, dtype=torch.float64)
        return (values.index_select(-1, torch.tensor(self.kept)) - mean) / scale

    @property
    def names(self) -> list[str]:
        """A name of each channel, for example "2 within its sequence"."""
        names = [str(index) for index in range(self.num_features - self.num_masks)]
        every = list(names)
        if self.settings.per_sequence:
            every += [f"{name} within its sequence" for name in names]
        if self.settings.differences:
            every += [f"difference of {name}" for name in every]
        if self.settings.level_and_scale:
            every += [f"level of {name}" for name in names] + [f"scale of {name}" for name in names]
        masks = [f"{index} is missing" for index in range(self.num_masks)]
        return [every[index] for index in self.kept] + masks

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for a JSON file."""
        return asdict(self)

    @classmethod
    def from_plain(cls, values: dict[str, Any]) -> "Channels":
        """Return the object from which `to_plain` made these values."""
        return cls(**{**values, "settings": ChannelSettings(**values["settings"])})


def _computed(
    x: Float[Tensor, "n t d"], lengths: Int[Tensor, " n"], settings: ChannelSettings
) -> Float[Tensor, "n t k"]:
    """Return all channels in double precision; what is in the padding has no meaning."""
    x = x.double().masked_fill(~real_steps(lengths, x.shape[1])[:, :, None], 0.0)
    mean, deviation = _statistics(x, lengths, causal=settings.causal)
    return _extended(_so_far(x, mean, deviation, settings), mean, deviation, settings)


def _so_far(x: Tensor, mean: Tensor, deviation: Tensor, settings: ChannelSettings) -> Tensor:
    """Return the features, and their copies that are standardised within the sequence."""
    if not settings.per_sequence:
        return x
    if torch.compiler.is_exporting():  # the exporter's optimizer leaves out an addend of 1e-8
        own = (x - mean) / NO_SPREAD / (deviation / NO_SPREAD + 1)
    else:
        own = (x - mean) / (deviation + NO_SPREAD)
    return torch.cat([x, own.clamp(-LIMIT, LIMIT)], dim=-1)


def _extended(
    so_far: Float[Tensor, "n t k"],
    mean: Float[Tensor, "n u d"],
    deviation: Float[Tensor, "n u d"],
    settings: ChannelSettings,
) -> Float[Tensor, "n t k2"]:
    """Return the channels so far, with their differences, levels and scales."""
    channels = [so_far]
    if settings.differences:
        channels.append(torch.cat([torch.zeros_like(so_far[:, :1]), so_far.diff(dim=1)], dim=1))
    if settings.level_and_scale:
        constants = _asinh(mean), torch.log(deviation + NO_SCALE)
        channels += [constant.expand(-1, so_far.shape[1], -1) for constant in constants]
    return torch.cat(channels, dim=2)


def _asinh(x: Tensor) -> Tensor:
    if torch.compiler.is_exporting():  # ONNX Runtime has no asinh in double precision
        return x.sign() * torch.log(x.abs() + (x.square() + 1).sqrt())
    return torch.asinh(x)


def _statistics(
    x: Float[Tensor, "n t d"], lengths: Int[Tensor, " n"], *, causal: bool
) -> tuple[Float[Tensor, "n u d"], Float[Tensor, "n u d"]]:
    """Return mean and deviation of each sequence, u = 1, or of its steps so far, u = t."""
    if causal:
        counts = torch.arange(1, x.shape[1] + 1)[:, None]
        first = x[:, :1]  # so that the squares of a constant sequence are exactly 0
        mean = (x - first).cumsum(dim=1) / counts
        variance = ((x - first).square().cumsum(dim=1) / counts - mean.square()).clamp(min=0)
        return mean + first, variance.sqrt()
    counts = lengths[:, None, None]
    mean = x.sum(dim=1, keepdim=True) / counts
    real = real_steps(lengths, x.shape[1])[:, :, None]
    centred = torch.where(real, x - mean, 0.0)
    return mean, (centred.square().sum(dim=1, keepdim=True) / counts).sqrt()

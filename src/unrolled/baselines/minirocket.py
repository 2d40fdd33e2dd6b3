"""MiniRocket features with a ridge classifier (Dempster, Schmidt & Webb 2021).

84 fixed kernels of length 9 with weights -1 and 2 are applied at several dilations. A feature is
the share of steps at which the output exceeds a bias, which is a quantile of the output on one
training sequence. Several features per step follow the authors' multivariate version: each kernel
and dilation reads the sum of a random set of them.

Departures: sequences may have different lengths, with shares over real steps; the classifier has
a temperature, so that it returns probabilities. At dilations for which the shortest training
sequence has no output that is free of padding, every kernel counts all steps.
"""

import math
from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from unrolled.baselines.ridge import fit_ridge
from unrolled.contracts import real_steps

NUM_FEATURES = 9_996  # of the paper: 119 per kernel
MAX_CELLS = 20_000_000  # n p of the features of a training set, 160 MB in float64
MAX_DILATIONS = 32  # per kernel, of the paper
MAX_CHANNELS = 9  # features per step that one kernel reads, of the authors' multivariate version
TAPS = 9
CHUNK_VALUES = 200_000  # outputs per chunk: they fit into a processor's cache
KERNELS = torch.tensor(
    [
        [2.0 if tap in chosen else -1.0 for tap in range(TAPS)]
        for chosen in combinations(range(9), 3)
    ]
)
GOLDEN_RATIO = (math.sqrt(5) + 1) / 2


class MiniRocket(nn.Module):
    """p(class | x) = softmax((features(x) / scale @ weights + intercept) / temperature).

    All fitted values are buffers, so `state_dict` and `load_state_dict` save and load it. They stay
    on the CPU in their own precision, so scores do not depend on a Trainer's device and precision.

    num_features: about how many features are computed, >= 84. The number is rounded down to a
        multiple of 84. From 2,001 training sequences on, it is at most 20,000,000 / n.
    seed: of the training sequences for biases and the sets of channels, >= 0.
    """

    dilations: Tensor  # (k,)
    counts: Tensor  # (k,) biases per kernel and dilation
    shortest: Tensor  # () steps of the shortest training sequence
    biases: Tensor  # (84, sum of counts)
    channels: Tensor  # (k, 84, d) 1 where a kernel reads a feature of a step
    scale: Tensor  # (p,)
    weights: Tensor  # (p, c)
    intercept: Tensor  # (c,)
    temperature: Tensor  # ()

    def __init__(self, *, num_features: int, seed: int) -> None:
        super().__init__()
        if num_features < len(KERNELS):
            raise ValueError(f"need model.num_features >= {len(KERNELS)}, got {num_features}")
        self.num_features = num_features
        self.seed = seed
        for name in ("dilations", "counts", "shortest"):
            self.register_buffer(name, torch.zeros(0, dtype=torch.int64))
        self.register_buffer("biases", torch.zeros(0))
        self.register_buffer("channels", torch.zeros(0))
        for name in ("scale", "weights", "intercept", "temperature"):
            self.register_buffer(name, torch.zeros(0, dtype=torch.float64))

    def fit(
        self,
        x: Float[Tensor, "n t d"],
        *,
        lengths: Int[Tensor, " n"],
        y: Int[Tensor, " n"],
        num_classes: int,
    ) -> "MiniRocket":
        """Fit everything on a training set of n >= 2 sequences, and return the classifier.

        x: standardised with the statistics of the training set. Padding is ignored.
        lengths: real steps, at least 1.
        y: classes, 0 <= y < num_classes.
        """
        generator = torch.Generator().manual_seed(self.seed)
        self.shortest = lengths.min().long()
        num_features = min(self.num_features, MAX_CELLS // len(x))
        num_biases = max(1, num_features // len(KERNELS))
        self.dilations, self.counts = _dilations(int(lengths.max()), num_biases)
        self.channels = torch.stack(
            [_channel_sets(x.shape[2], generator) for _ in range(len(self.dilations))]
        )
        self._fit_biases(x, lengths, generator)
        features = self.features(x, lengths).double()
        is_constant = features.amax(dim=0) == features.amin(dim=0)
        self.scale = torch.where(is_constant, 1.0, features.std(dim=0, unbiased=False))
        ridge = fit_ridge(features / self.scale, y=y, num_classes=num_classes)
        self.weights, self.intercept = ridge.weights, ridge.intercept
        self.temperature = torch.tensor(ridge.temperature, dtype=torch.float64)
        return self

    def _fit_biases(
        self, x: Float[Tensor, "n t d"], lengths: Int[Tensor, " n"], generator: torch.Generator
    ) -> None:
        numbers = torch.arange(1, len(KERNELS) * int(self.counts.sum()) + 1, dtype=torch.float64)
        sizes = self.counts.repeat_interleave(len(KERNELS)).tolist()
        shares = torch.split((numbers * GOLDEN_RATIO % 1).float(), sizes)
        found, position = [], 0
        for index in range(len(self.dilations)):
            rows = torch.randint(len(x), (len(KERNELS),), generator=generator)
            for kernel, row in enumerate(rows.tolist()):
                sequence = x[row : row + 1, : int(lengths[row])]
                output = self._convolved(sequence, index, slice(kernel, kernel + 1))[0, 0]
                found.append(torch.quantile(output, shares[position]))
                position += 1
        per_dilation = [
            torch.stack(found[first : first + len(KERNELS)])
            for first in range(0, len(found), len(KERNELS))
        ]
        self.biases = torch.cat(per_dilation, dim=1)

    def _convolved(
        self, x: Float[Tensor, "b t d"], index: int, kernels: slice
    ) -> Float[Tensor, "b k t"]:
        """Return the outputs of some kernels at a dilation, with zeros around the sequences."""
        weights, dilation = KERNELS[kernels, None].to(x), int(self.dilations[index])
        read = x.transpose(1, 2)
        groups = 1
        if x.shape[2] > 1:
            read = self.channels[index, kernels].to(x) @ read
            groups = len(weights)
        return functional.conv1d(
            read, weights, padding=TAPS // 2 * dilation, dilation=dilation, groups=groups
        )

    def features(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b p"]:
        """Return the shares of steps above each bias, between 0 and 1, on the CPU."""
        x, lengths = x.cpu().float(), lengths.cpu()
        size = max(1, CHUNK_VALUES // (len(KERNELS) * x.shape[1]))
        chunks = zip(torch.split(x, size), torch.split(lengths, size), strict=True)
        with torch.autocast("cpu", enabled=False):  # counts are exact in single precision
            return torch.cat([self._chunk_features(*chunk) for chunk in chunks])

    def _chunk_features(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b p"]:
        num_steps = int(lengths.max())
        real = real_steps(lengths, num_steps)
        x = x[:, :num_steps].masked_fill(~real[:, :, None], 0.0)
        shares = []
        biases = torch.split(self.biases, self.counts.tolist(), dim=1)
        for index, dilation in enumerate(self.dilations.tolist()):
            outputs = self._convolved(x, index, slice(None))  # (b, 84, t)
            counted = self._counted(real, lengths, TAPS // 2 * dilation)  # (b, t, 2)
            sizes = counted.sum(dim=1, keepdim=True)  # (b, 1, 2)
            inner = (torch.arange(len(KERNELS)) + index) % 2 == 1
            for bias in biases[index].T:
                # counts are exact in float32, so that a constant share has no rounding noise
                both = torch.gt(outputs, bias[:, None]).to(x.dtype) @ counted / sizes  # (b, 84, 2)
                shares.append(torch.where(inner, both[:, :, 1], both[:, :, 0]))
        return torch.cat(shares, dim=1)

    def _counted(
        self, real: Tensor, lengths: Int[Tensor, " b"], margin: int
    ) -> Float[Tensor, "b t 2"]:
        """Return 1 for steps that are counted: all real steps, and steps that no zeros reach.

        Half of the kernels use the one, half the other (section 3.2.3 of the paper).
        """
        steps = torch.arange(real.shape[1])
        inner = (steps >= margin) & (steps < lengths[:, None] - margin)
        use_all = ~inner.any(dim=1, keepdim=True) | (self.shortest <= 2 * margin)
        inner = torch.where(use_all, real, inner)
        return torch.stack([real, inner], dim=2).float()

    def forward(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b c"]:
        """Return logits in single precision, on the device of x."""
        return self._logits(x, lengths).float().to(x.device)

    def _logits(self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]) -> Tensor:
        scores = (self.features(x, lengths) / self.scale) @ self.weights + self.intercept
        return scores / self.temperature

    @property
    def num_parameters(self) -> int:
        """Coefficients of the ridge regression."""
        return self.weights.numel() + self.intercept.numel()

    def probabilities(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b c"]:
        """Return the probability of each class.

        x: standardised like the training set. Sequences may be longer than all of it.
        """
        return torch.softmax(self._logits(x, lengths), dim=1)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "MiniRocket":
        return self  # what `to`, `cuda` and `half` call

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        # sizes are known only once it is fitted
        for name in self._buffers:
            if (value := state_dict.get(prefix + name)) is not None:
                setattr(self, name, torch.empty_like(value))
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _dilations(num_steps: int, num_biases: int) -> tuple[Int[Tensor, " k"], Int[Tensor, " k"]]:
    """Return the dilations, spaced exponentially up to (t - 1) / 8, and the biases of each."""
    largest = math.log2(max(1.0, (num_steps - 1) / (TAPS - 1)))
    num_positions = min(num_biases, MAX_DILATIONS)
    exponents = torch.linspace(0, largest, num_positions, dtype=torch.float64)
    dilations, repeats = torch.unique((2**exponents).long(), return_counts=True)
    counts = repeats * num_biases // num_positions
    missing = num_biases - int(counts.sum())
    counts += missing // len(counts)
    counts[: missing % len(counts)] += 1
    return dilations, counts


def _channel_sets(num_channels: int, generator: torch.Generator) -> Float[Tensor, "k d"]:
    """Return which features of a step each kernel reads: 1 to 9 of them, few more often."""
    sets = torch.zeros(len(KERNELS), num_channels)
    largest = math.log2(min(num_channels, MAX_CHANNELS) + 1)
    for chosen in sets:
        size = int(2 ** (torch.rand(1, generator=generator).item() * largest))
        chosen[torch.randperm(num_channels, generator=generator)[:size]] = 1.0
    return sets

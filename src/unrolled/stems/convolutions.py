"""Three convolutions that turn raw samples into fewer steps of local features.

The kernels of 8, 5 and 3 steps, the batch normalization and the mean over time follow the fully
convolutional network (FCN) of Wang, Yan & Oates (2017), section II.B. Departures: the first
convolution has a stride, and a kernel of twice the stride if that is more than 8; each layer has
the same number of channels (there 128, 256, 128); batch normalization uses real steps only; the
convolutions have no bias; the features are averaged over a few steps for an encoder, where the FCN
classifies their mean over all steps; and convolutions can be causal.
"""

from typing import TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from unrolled.contracts import real_steps
from unrolled.encoders.blocks.encoder import Sizes, State
from unrolled.small_recipe import stride_and_pool
from unrolled.stems.stem import Stem, Stemmed, StemStep

FIRST_KERNEL = 8  # steps, or twice the stride if that is more
KERNELS = 5, 3  # steps of the second and third convolution

Number = TypeVar("Number", int, Tensor)


class Convolutions(Stem):
    """Convolution, batch normalization and ReLU, three times, then means of `pool` steps.

    The summary is the mean of the last features over time. A sequence of t real steps becomes one
    of ceil(ceil(t / stride) / pool); the last mean may be of fewer steps.

    channels: features after each convolution, >= 1.
    stride: of the first convolution, >= 1. None: see `stride_and_pool`.
    pool: steps that are averaged, >= 1. None: see `stride_and_pool`.
    causal: whether a feature depends on earlier samples only. Otherwise each convolution is
        centred.
    """

    def __init__(
        self,
        sizes: Sizes,
        *,
        channels: int,
        stride: int | None,
        pool: int | None,
        causal: bool,
    ) -> None:
        for name, value in (("channels", channels), ("stride", stride), ("pool", pool)):
            if value is not None and value < 1:
                raise ValueError(f"need {name} >= 1, got {name}={value}")
        if stride is None:
            stride = stride_and_pool(sizes.num_steps)[0]
        num_steps = _rounded_up(sizes.num_steps, stride)
        if pool is None:
            pool = stride_and_pool(sizes.num_steps, stride=stride)[1]
        super().__init__(
            output=Sizes(channels, _rounded_up(num_steps, pool)),
            summary_size=channels,
            is_causal=causal,
        )
        self.stride, self.pool, self.causal = stride, pool, causal
        first = self.first_kernel = max(FIRST_KERNEL, 2 * stride)
        inputs = (sizes.input_size, channels, channels)
        strides = (stride, 1, 1)
        self.layers = nn.ModuleList(
            _Layer(size, channels, kernel_size=kernel, stride=step, causal=causal)
            for size, kernel, step in zip(inputs, (first, *KERNELS), strides, strict=True)
        )

    def forward(self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]) -> Stemmed:
        """Return the features, averaged over `pool` steps, and their mean over time."""
        # a graph is exported for sequences of any lengths
        has_padding = torch.compiler.is_exporting() or bool((lengths < x.shape[1]).any())
        real = real_steps(lengths, x.shape[1]) if has_padding else None
        if real is not None:
            x = x.masked_fill(~real[:, :, None], 0.0)
        lengths = _rounded_up(lengths, self.stride)
        num_steps = _rounded_up(x.shape[1], self.stride)
        real = real_steps(lengths, num_steps) if has_padding else None
        for layer in self.layers:
            x = layer(x, real)
        summary = x.sum(dim=1) / lengths[:, None]
        if self.pool == 1:
            return Stemmed(x, lengths, summary)
        num_means = _rounded_up(num_steps, self.pool)
        padded = functional.pad(x, (0, 0, 0, num_means * self.pool - num_steps))
        sums = padded.view(x.shape[0], num_means, self.pool, -1).sum(dim=2)
        starts = self.pool * torch.arange(num_means, device=x.device)
        counts = (lengths[:, None] - starts).clamp(1, self.pool)
        return Stemmed(sums / counts[:, :, None], _rounded_up(lengths, self.pool), summary)

    def start(self, x_t: Float[Tensor, "b d"]) -> State:
        """Return zeros: the steps that each convolution reads, and sums and numbers of features."""
        num = x_t.shape[0]
        zero, none = x_t.new_zeros(num, self.summary_size), x_t.new_zeros(num, 1).long()
        windows = (
            x_t.new_zeros(num, self.first_kernel, x_t.shape[1]),
            *(x_t.new_zeros(num, kernel - 1, self.summary_size) for kernel in KERNELS),
        )
        return windows, none, (zero, none), (zero, none)

    def step(self, x_t: Float[Tensor, "b d"], state: State) -> StemStep:
        """Return the mean of the newest features, as if the sequences ended with this step.

        The state has the steps that each convolution reads, the number of steps since the last
        feature, and sum and number of the features of the newest mean and of all.
        """
        (inputs, *pasts), position, (recent, num_recent), (total, num_total) = state
        slots = torch.arange(inputs.shape[1], device=x_t.device) - (inputs.shape[1] - self.stride)
        inputs = torch.where((slots == position)[:, :, None], x_t[:, None], inputs)
        first, *others = [layer for layer in self.layers if isinstance(layer, _Layer)]
        features, windows = first.newest(inputs), []
        for layer, past in zip(others, pasts, strict=True):
            windows.append(torch.cat([past, features[:, None]], dim=1))
            features = layer.newest(windows[-1])
        is_feature = position + 1 == self.stride  # else the next step changes it
        shifted = torch.cat(
            [inputs[:, self.stride :], torch.zeros_like(inputs[:, : self.stride])], dim=1
        )
        kept = [torch.where(is_feature[:, :, None], shifted, inputs)]
        for window, past in zip(windows, pasts, strict=True):
            kept.append(torch.where(is_feature[:, :, None], window[:, 1:], past))
        sums, nums = (recent + features, total + features), (num_recent + 1, num_total + 1)
        is_mean = is_feature & (nums[0] == self.pool)
        after = (
            tuple(kept),
            torch.where(is_feature, 0, position + 1),
            (
                torch.where(is_mean, 0.0, torch.where(is_feature, sums[0], recent)),
                torch.where(is_mean, 0, torch.where(is_feature, nums[0], num_recent)),
            ),
            (
                torch.where(is_feature, sums[1], total),
                torch.where(is_feature, nums[1], num_total),
            ),
        )
        return StemStep(sums[0] / nums[0], sums[1] / nums[1], is_mean[:, 0], after)


class _Layer(nn.Module):
    """ReLU(normalise(convolve(x))), with batch normalization over real steps, and 0 in padding."""

    def __init__(
        self, input_size: int, output_size: int, *, kernel_size: int, stride: int, causal: bool
    ) -> None:
        super().__init__()
        # a convolution of images of height 1 in channels-last memory is faster than Conv1d
        self.convolution = nn.Conv2d(
            input_size, output_size, (1, kernel_size), stride=(1, stride), bias=False
        )
        weight = self.convolution.weight
        weight.data = weight.data.to(memory_format=torch.channels_last)
        self.normalization = nn.BatchNorm1d(output_size)
        missing = kernel_size - stride  # steps that the first kernel sees before the sequence
        self.num_before = missing if causal else missing // 2
        self.kernel_size, self.stride = kernel_size, stride

    def forward(
        self, x: Float[Tensor, "b t d"], real: Bool[Tensor, "b u"] | None
    ) -> Float[Tensor, "b u k"]:
        """Return the features of the steps. Steps that are not real must be 0 in x.

        real: which steps are real after the convolution. None: all are.
        """
        num_steps = _rounded_up(x.shape[1], self.stride)
        num_read = (num_steps - 1) * self.stride + self.kernel_size
        after = num_read - self.num_before - x.shape[1]
        x = functional.pad(x, (0, 0, self.num_before, after))
        x = self.convolution(x.mT.unsqueeze(2)).squeeze(2).mT
        rows = x.reshape(-1, x.shape[2])
        if real is None:
            return functional.relu(self._normalized(rows)).view(x.shape)
        if not self.training:  # the same values; what is in the padding has no influence
            features = functional.relu(self._normalized(rows)).view(x.shape)
            return features.masked_fill(~real[:, :, None], 0.0)
        places = real.flatten().nonzero()[:, 0]
        kept = functional.relu(self._normalized(rows.index_select(0, places)))
        return kept.new_zeros(rows.shape).index_copy(0, places, kept).view(x.shape)

    def newest(self, window: Float[Tensor, "b w d"]) -> Float[Tensor, "b k"]:
        """Return the features of the last step, from the steps that the kernel covers (w)."""
        weight = self.convolution.weight.squeeze(2).permute(2, 1, 0)  # (w, d, k)
        return functional.relu(self._normalized(window.flatten(1) @ weight.flatten(0, 1)))

    def _normalized(self, rows: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        norm = self.normalization
        if not self.training or len(rows) > 1:
            normalized: Tensor = norm(rows)
            return normalized
        return functional.batch_norm(  # one step has no variance
            rows, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
        )


def _rounded_up(number: Number, divisor: int) -> Number:
    """Return the quotient rounded up. Quotients of negative numbers would be exported wrongly."""
    return (number + divisor - 1) // divisor

"""Causal convolution with a kernel as long as the sequence, by FFT."""

import torch
from jaxtyping import Float
from torch import Tensor

from unrolled.encoders.blocks.encoder import at_least_single


def causal_convolution(
    x: Float[Tensor, "b t h"], kernel: Float[Tensor, "t k"]
) -> Float[Tensor, "b t k"]:
    """Return y_t = sum over l = 0..t of kernel_l x_{t-l}, unit by unit.

    x: either k units, or one unit that is convolved with all k kernels.
    """
    x = at_least_single(x)  # there is no Fourier transform in bfloat16
    num = 2 * x.shape[1]  # padded with zeros, so that the end does not wrap around
    rows, kernel_rows = (
        x.mT.contiguous(),
        kernel.T.contiguous(),
    )  # contiguous along time: faster transforms
    product = torch.fft.rfft(rows, n=num) * torch.fft.rfft(kernel_rows, n=num)
    y: Tensor = torch.fft.irfft(product, n=num)[..., : x.shape[1]].mT
    return y

"""Convolutions of stride two, for comparison: the network of Greydanus & Kobak (2024), MNIST-1D.

A stack of strided convolutions computes every 2^n-th step of a stack whose dilation doubles from
layer to layer; the latter has an output at every step, and `head=all_steps head.stride=8` reads
what the former would have computed with three layers. The windows end at a step instead of being
centred, so that no step sees those to come.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.encoders.blocks.reader import Reader, State, with_past


class CNN(Reader):
    """h_t = relu(b + sum over k of W_k g_{t - 2^n k}), g: the layer below, n: how many are below.

    input_size: features per step (d).
    hidden_size: units (channels) of each layer (h), >= 1.
    kernel_sizes: steps that each layer sees, from below, >= 1; as many as there are layers, >= 1.
    """

    def __init__(self, *, input_size: int, hidden_size: int, kernel_sizes: Sequence[int]) -> None:
        super().__init__(input_size=input_size, output_size=hidden_size)
        if not kernel_sizes or min(kernel_sizes) < 1:
            raise ValueError(f"need kernel_sizes >= 1, one per layer, got {list(kernel_sizes)}")
        self.convolutions = nn.ModuleList()
        self.num_past: list[int] = []
        for index, kernel_size in enumerate(kernel_sizes):
            size = hidden_size if index else input_size
            self.convolutions.append(nn.Conv1d(size, hidden_size, kernel_size, dilation=2**index))
            self.num_past.append((kernel_size - 1) * 2**index)

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return the units of the last layer, and the past that each layer goes on from."""
        pasts = []
        for index, (convolution, num_past) in enumerate(
            zip(self.convolutions, self.num_past, strict=True)
        ):
            extended, past = with_past(
                x, lengths, None if state is None else state[index], num_past=num_past
            )
            x = torch.relu(convolution(extended.mT).mT)
            pasts.append(past)
        return x, tuple(pasts)

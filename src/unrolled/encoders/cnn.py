"""Convolutional network, for comparison. Greydanus & Kobak (2024), MNIST-1D.

The paper's convolutions have stride two. Their outputs are every 2^n-th step of a stack whose
dilation doubles from layer to layer. This encoder is such a stack: it has an output at every step,
and with three layers `head=all_steps head.stride=8` reads the outputs of the paper's network.

Departure: windows end at their step instead of being centered on it, so that no step sees later
ones.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.encoders.blocks.encoder import Encoder, Sizes, State, with_past


class CNN(Encoder):
    """h_t = relu(b + sum over k of W_k g_{t - 2^n k}), n: layers below, g: the last of them.

    sizes: sizes that the data determines (input_size is d).
    hidden_size: units (channels) of each layer (h), >= 1.
    kernel_sizes: steps that each layer sees, first layer first, one per layer, >= 1.
    """

    def __init__(self, sizes: Sizes, *, hidden_size: int, kernel_sizes: Sequence[int]) -> None:
        super().__init__(output_size=hidden_size)
        if not kernel_sizes or min(kernel_sizes) < 1:
            raise ValueError(f"need kernel_sizes >= 1, one per layer, got {list(kernel_sizes)}")
        self.convolutions = nn.ModuleList()
        self.num_past: list[int] = []
        self.sizes: list[int] = []  # of the inputs of the layers
        for index, kernel_size in enumerate(kernel_sizes):
            size = hidden_size if index else sizes.input_size
            self.convolutions.append(nn.Conv1d(size, hidden_size, kernel_size, dilation=2**index))
            self.sizes.append(size)
            self.num_past.append((kernel_size - 1) * 2**index)

    def start(self, x_t: Float[Tensor, "b d"]) -> State:
        """Return zeros as the past of each layer."""
        return tuple(
            x_t.new_zeros(x_t.shape[0], num_past, size)
            for num_past, size in zip(self.num_past, self.sizes, strict=True)
        )

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return the units of the last layer, and the past steps that each layer needs."""
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

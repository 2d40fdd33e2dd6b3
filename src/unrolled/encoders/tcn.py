"""Temporal convolutional network, for comparison. Bai, Kolter & Koltun (2018), section 3.

Title: An empirical evaluation of generic convolutional and recurrent networks for sequence
modeling. Dropout drops single values, as in the authors' code.

Departure: all weights have torch's default initialization. In the authors' code (TCN/tcn.py) this
holds for the causal convolutions, because weight_norm recomputes the weight into which the code
writes N(0, 0.01^2). The authors' residual weights start as N(0, 0.01^2).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from unrolled.encoders.blocks.encoder import Encoder, Sizes, State, with_past


class TCNBlock(nn.Module):
    """relu(residual(x) + F(x)), F: twice a dilated causal convolution, ReLU and dropout.

    input_size, hidden_size: units of x and of the result.
    kernel_size: steps that each convolution sees.
    dilation: distance between them.
    dropout: see TCN.
    """

    def __init__(
        self, *, input_size: int, hidden_size: int, kernel_size: int, dilation: int, dropout: float
    ) -> None:
        super().__init__()
        self.num_past = (kernel_size - 1) * dilation
        self.dropout = dropout
        self.convolutions = nn.ModuleList()
        self.sizes = input_size, hidden_size  # of the inputs of the convolutions
        for size in self.sizes:
            convolution = nn.Conv1d(size, hidden_size, kernel_size, dilation=dilation)
            self.convolutions.append(weight_norm(convolution))
        same = input_size == hidden_size
        self.residual = nn.Identity() if same else nn.Linear(input_size, hidden_size)

    def start(self, x_t: Float[Tensor, "b d"]) -> State:
        """Return zeros as the past of both convolutions."""
        return tuple(x_t.new_zeros(x_t.shape[0], self.num_past, size) for size in self.sizes)

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return the units of this block, and the past steps that its convolutions need."""
        hidden, pasts = x, []
        for convolution, past in zip(self.convolutions, state or (None, None), strict=True):
            extended, past = with_past(hidden, lengths, past, num_past=self.num_past)
            hidden = torch.relu(convolution(extended.mT).mT)
            hidden = functional.dropout(hidden, self.dropout, self.training)
            pasts.append(past)
        return torch.relu(self.residual(x) + hidden), tuple(pasts)


class TCN(Encoder):
    """Blocks with dilation 1, 2, 4, ...

    Each step sees 1 + 2 (kernel_size - 1) (2^num_layers - 1) steps.

    sizes: sizes that the data determines (input_size is d).
    hidden_size: units (channels) of each block (h), >= 1.
    num_layers: blocks, >= 1.
    kernel_size: steps that each convolution sees, >= 2.
    dropout: fraction of values dropped after each convolution, 0 <= dropout < 1.
    """

    def __init__(
        self,
        sizes: Sizes,
        *,
        hidden_size: int,
        num_layers: int,
        kernel_size: int,
        dropout: float,
    ) -> None:
        super().__init__(output_size=hidden_size)
        if num_layers < 1 or kernel_size < 2 or not 0 <= dropout < 1:
            raise ValueError(
                "need num_layers >= 1, kernel_size >= 2 and 0 <= dropout < 1, got "
                f"num_layers={num_layers}, kernel_size={kernel_size}, dropout={dropout}"
            )
        self.blocks = nn.ModuleList(
            TCNBlock(
                input_size=hidden_size if index else sizes.input_size,
                hidden_size=hidden_size,
                kernel_size=kernel_size,
                dilation=2**index,
                dropout=dropout,
            )
            for index in range(num_layers)
        )

    def start(self, x_t: Float[Tensor, "b d"]) -> State:
        """Return zeros as the past of each block."""
        blocks = [block for block in self.blocks if isinstance(block, TCNBlock)]
        return tuple(block.start(x_t) for block in blocks)

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return the units of the last block, and the past of each."""
        states = []
        for index, block in enumerate(self.blocks):
            assert isinstance(block, TCNBlock)
            x, after = block.read(x, lengths, state and state[index])
            states.append(after)
        return x, tuple(states)

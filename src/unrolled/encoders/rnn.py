"""Simple recurrent network. Elman (1990), Finding structure in time.

The equation is the same as in torch.nn.RNN. With ReLU and identity recurrent weights it
is the IRNN of Le, Jaitly & Hinton (2015), section 3.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unrolled.encoders.blocks.encoder import Sizes
from unrolled.encoders.blocks.stacked import RecurrentLayer


class RNN(RecurrentLayer, nn.RNN):
    """h_t = f(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh), f = tanh or ReLU.

    sizes: sizes of the layer's input (input_size is d).
    hidden_size: units (h), >= 1.
    nonlinearity: tanh or relu.
    """

    def __init__(self, sizes: Sizes, *, hidden_size: int, nonlinearity: str) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"need nonlinearity tanh or relu, got nonlinearity={nonlinearity!r}")
        super().__init__(sizes.input_size, hidden_size, nonlinearity=nonlinearity, batch_first=True)

    def cell(self, x_t: Float[Tensor, "b d"], state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the state after one step."""
        cell = torch.rnn_tanh_cell if self.nonlinearity == "tanh" else torch.rnn_relu_cell
        return (cell(x_t, state[0], *self.weights),)

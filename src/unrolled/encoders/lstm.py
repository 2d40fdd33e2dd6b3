"""Long short-term memory. Hochreiter & Schmidhuber (1997); forget gate of Gers et al. (2000).

The equations are the same as in torch.nn.LSTM: no peepholes, and two biases that are added.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unrolled.encoders.blocks.encoder import Sizes
from unrolled.encoders.blocks.stacked import RecurrentLayer


class LSTM(RecurrentLayer, nn.LSTM):
    """c_t = f * c_{t-1} + i * g, h_t = o * tanh(c_t); gates i, f, o and input g from x_t, h_{t-1}.

    sizes: sizes of the layer's input (input_size is d).
    hidden_size: units (h), >= 1.
    forget_bias: initial bias of the forget gate, or None to keep the one of `initialization`.
        1 closes most of the gap to the GRU (Jozefowicz et al. 2015). chrono_steps replaces it.
    """

    num_states = 2  # h and c

    def __init__(self, sizes: Sizes, *, hidden_size: int, forget_bias: float | None) -> None:
        super().__init__(sizes.input_size, hidden_size, batch_first=True)
        self.forget_bias = forget_bias

    def cell(self, x_t: Float[Tensor, "b d"], state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the state after one step."""
        return torch.lstm_cell(x_t, state, *self.weights)

    def initialize_gates(self, *, chrono_steps: int | None) -> None:
        """Set the biases of the gates. Torch orders the rows of a parameter as i, f, g, o."""
        if self.forget_bias is not None:
            self.set_bias(gate=1, value=self.forget_bias)
        if chrono_steps is not None:
            bias = self.chrono_bias(chrono_steps)
            self.set_bias(gate=1, value=bias)
            self.set_bias(gate=0, value=-bias)

"""Gated recurrent unit. Cho et al. (2014), Learning phrase representations, section 2.3.

Departure: the equations are the same as in torch.nn.GRU, where the reset gate acts
after the recurrent product (the form that cuDNN computes). In the paper it acts before.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unrolled.encoders.blocks.encoder import Sizes
from unrolled.encoders.blocks.stacked import RecurrentLayer


class GRU(RecurrentLayer, nn.GRU):
    """h_t = (1 - z) * n + z * h_{t-1}, n = tanh(W x_t + b + r * (U h_{t-1} + b')); gates r and z.

    sizes: sizes of the layer's input (input_size is d).
    hidden_size: units (h), >= 1.
    """

    def __init__(self, sizes: Sizes, *, hidden_size: int) -> None:
        super().__init__(sizes.input_size, hidden_size, batch_first=True)

    def cell(self, x_t: Float[Tensor, "b d"], state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the state after one step."""
        return (torch.gru_cell(x_t, state[0], *self.weights),)

    def initialize_gates(self, *, chrono_steps: int | None) -> None:
        """Set the bias of the update gate. Torch orders the rows of a parameter as r, z, n."""
        if chrono_steps is not None:
            self.set_bias(gate=1, value=self.chrono_bias(chrono_steps))

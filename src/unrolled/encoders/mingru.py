"""Minimal gated recurrent unit. Feng et al. (2024), Were RNNs all we needed?, section 3.1.

This is the paper's plain form: the candidate is linear. Its log-space form, which keeps candidates
positive by g(x) = x + 0.5 or sigmoid(x), serves a scan that divides; ours only multiplies and adds.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.encoders.blocks.reader import State
from unrolled.encoders.blocks.residual import Layer, ResidualStack
from unrolled.encoders.blocks.scan import scan


class MinGRULayer(Layer):
    """h_t = (1 - z_t) h_{t-1} + z_t c_t; z_t = sigmoid(W_z x_t + b_z), c_t = W_c x_t + b_c.

    input_size: features per step (d).
    hidden_size: units (h).
    """

    def __init__(self, *, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.gate_and_candidate = nn.Linear(input_size, 2 * hidden_size)

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return hidden states and the last of them."""
        gate, candidate = self.gate_and_candidate(x).chunk(2, dim=-1)
        z = torch.sigmoid(gate)
        return scan(torch.sigmoid(-gate), z * candidate, lengths, state)


class MinGRU(ResidualStack):
    """Layers of MinGRULayer, whose settings it takes beside those of ResidualStack."""

    layer = MinGRULayer

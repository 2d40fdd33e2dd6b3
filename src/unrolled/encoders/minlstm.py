"""Minimal long short-term memory. Feng et al. (2024), Were RNNs all we needed?, section 3.2.

The paper's plain form: the candidate is linear (see mingru.py). The normalised forget gate is
computed as sigmoid(log f - log i), which is the same and never 0 / 0.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from unrolled.encoders.blocks.reader import State
from unrolled.encoders.blocks.residual import Layer, ResidualStack
from unrolled.encoders.blocks.scan import scan


class MinLSTMLayer(Layer):
    """h_t = f / (f + i) h_{t-1} + i / (f + i) c_t; f, i = sigmoid(W x_t + b), c_t = W_c x_t + b_c.

    input_size: features per step (d).
    hidden_size: units (h).
    forget_bias: bias of the forget gate at the start; > 0 remembers longer.
    """

    def __init__(self, *, input_size: int, hidden_size: int, forget_bias: float) -> None:
        super().__init__()
        self.gates_and_candidate = nn.Linear(input_size, 3 * hidden_size)
        nn.init.constant_(self.gates_and_candidate.bias[:hidden_size], forget_bias)

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return hidden states and the last of them."""
        forget, insert, candidate = self.gates_and_candidate(x).chunk(3, dim=-1)
        log_ratio = functional.logsigmoid(forget) - functional.logsigmoid(insert)
        inputs = torch.sigmoid(-log_ratio) * candidate
        return scan(torch.sigmoid(log_ratio), inputs, lengths, state)


class MinLSTM(ResidualStack):
    """Layers of MinLSTMLayer, whose settings it takes beside those of ResidualStack."""

    layer = MinLSTMLayer

"""Minimal long short-term memory. Feng et al. (2024), Were RNNs all we needed?, section 3.2.

The paper's plain form: the candidate is linear (see mingru.py). The normalised forget gate is
computed as sigmoid(log f - log i), which is the same and never 0 / 0.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from unrolled.encoders.reading import State
from unrolled.encoders.residual import Layer, ResidualStack
from unrolled.encoders.scan import scan


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
    """Layers of MinLSTMLayer; gates do not see the past, so that all steps are computed at once.

    input_size, hidden_size, num_layers, residual, mixing, conv_size, dropout,
        recurrent_lr_scale: see ResidualStack.
    forget_bias: see MinLSTMLayer.
    """

    def __init__(
        self,
        *,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        residual: bool,
        mixing: bool,
        conv_size: int,
        dropout: float,
        recurrent_lr_scale: float,
        forget_bias: float,
    ) -> None:
        super().__init__(
            lambda size: MinLSTMLayer(
                input_size=size, hidden_size=hidden_size, forget_bias=forget_bias
            ),
            input_size=input_size,
            hidden_size=hidden_size,
            num_layers=num_layers,
            residual=residual,
            mixing=mixing,
            conv_size=conv_size,
            dropout=dropout,
            recurrent_lr_scale=recurrent_lr_scale,
        )

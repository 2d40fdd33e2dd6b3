"""Minimal long short-term memory. Feng et al. (2024), Were RNNs all we needed?, section 3.2.

This is the paper's plain form, in which the candidate is linear (see mingru.py). The normalized
forget gate is computed as sigmoid(log f - log i), which is equal to f / (f + i) and never 0 / 0.
"""

from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from unrolled.encoders.blocks.encoder import Sizes, State
from unrolled.encoders.blocks.residual import Layer
from unrolled.encoders.blocks.scan import scan
from unrolled.encoders.native import scans
from unrolled.encoders.native.library import Library


class MinLSTM(Layer):
    """h_t = f / (f + i) h_{t-1} + i / (f + i) c_t; f, i = sigmoid(W x_t + b), c_t = W_c x_t + b_c.

    sizes: sizes of the layer's input (input_size is d).
    hidden_size: units (h).
    forget_bias: initial bias of the forget gate. Units with a larger bias remember longer.
    """

    cell: ClassVar[str | None] = "minlstm"

    def __init__(self, sizes: Sizes, *, hidden_size: int, forget_bias: float) -> None:
        super().__init__()
        self.gates_and_candidate = nn.Linear(sizes.input_size, 3 * hidden_size)
        nn.init.constant_(self.gates_and_candidate.bias[:hidden_size], forget_bias)

    def start(self, x_t: Float[Tensor, "b d"]) -> State:
        """Return zeros."""
        return (x_t.new_zeros(x_t.shape[0], self.gates_and_candidate.out_features // 3),)

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return the hidden states, and the last one as the state."""
        forget, insert, candidate = self.gates_and_candidate(x).chunk(3, dim=-1)
        log_ratio = functional.logsigmoid(forget) - functional.logsigmoid(insert)
        inputs = torch.sigmoid(-log_ratio) * candidate
        return scan(torch.sigmoid(log_ratio), inputs, lengths, state)

    def run_native(
        self, library: Library, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b t h"]:
        """Return the hidden states of whole sequences, by a loop in C++."""
        return scans.minlstm(library, self.gates_and_candidate(x), lengths)

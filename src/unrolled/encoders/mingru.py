"""Minimal gated recurrent unit. Feng et al. (2024), Were RNNs all we needed?, section 3.1.

This is the paper's plain form, in which the candidate is linear. The paper's log-space form keeps
candidates positive by g(x) = x + 0.5 or sigmoid(x) for a scan that divides. The scan used here
(blocks/scan.py) only multiplies and adds, so it does not need positive candidates.
"""

from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.encoders.blocks.encoder import Sizes, State
from unrolled.encoders.blocks.residual import Layer
from unrolled.encoders.blocks.scan import scan
from unrolled.encoders.native import scans
from unrolled.encoders.native.library import Library


class MinGRU(Layer):
    """h_t = (1 - z_t) h_{t-1} + z_t c_t; z_t = sigmoid(W_z x_t + b_z), c_t = W_c x_t + b_c.

    sizes: sizes of the layer's input (input_size is d).
    hidden_size: units (h).
    """

    cell: ClassVar[str | None] = "mingru"

    def __init__(self, sizes: Sizes, *, hidden_size: int) -> None:
        super().__init__()
        self.gate_and_candidate = nn.Linear(sizes.input_size, 2 * hidden_size)

    def start(self, x_t: Float[Tensor, "b d"]) -> State:
        """Return zeros."""
        return (x_t.new_zeros(x_t.shape[0], self.gate_and_candidate.out_features // 2),)

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return the hidden states, and the last one as the state."""
        gate, candidate = self.gate_and_candidate(x).chunk(2, dim=-1)
        z = torch.sigmoid(gate)
        return scan(torch.sigmoid(-gate), z * candidate, lengths, state)

    def run_native(
        self, library: Library, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b t h"]:
        """Return the hidden states of whole sequences, by a loop in C++."""
        return scans.mingru(library, self.gate_and_candidate(x), lengths)

"""Scalar LSTM with exponential gates. Beck et al. (2024), xLSTM, section 2.2, eq. 8 to 17.

The forget gate is a sigmoid. The paper allows a sigmoid or an exponential. A stabilizer m_t (eq. 15
to 17) is subtracted from the exponents of both gates and cancels in h_t. It starts far below any
gate, so that it does not change the first step.

Departures:
- The recurrent matrices R start at random. In the authors' code they start at 0.
- The layer is in the residual block of all models here (blocks/residual.py), without the paper's
  projections up and down.
- The forget biases start at one value for all units. In the authors' code they follow a power law
  over the units.
"""

from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from unrolled.encoders.blocks.encoder import Sizes, State
from unrolled.encoders.blocks.residual import Layer
from unrolled.encoders.blocks.unroll import unroll
from unrolled.encoders.native import lem_slstm
from unrolled.encoders.native.lem_slstm import FIRST_STABILIZER
from unrolled.encoders.native.library import Library


class SLSTM(Layer):
    """c_t = f c + i z, n_t = f n + i, h_t = o c_t / n_t, gates of W x_t + R h_{t-1} + b.

    i = exp(.), f, o = sigmoid(.), z = tanh(.). R connects only units of the same head.

    sizes: sizes of the layer's input (input_size is d).
    hidden_size: units (h), a multiple of num_heads.
    num_heads: heads, >= 1.
    forget_bias: initial bias of the forget gate.
    """

    cell: ClassVar[str | None] = "slstm"

    def __init__(
        self, sizes: Sizes, *, hidden_size: int, num_heads: int, forget_bias: float
    ) -> None:
        super().__init__()
        if num_heads < 1 or hidden_size % num_heads:
            raise ValueError(
                "need hidden_size to be a multiple of num_heads, "
                f"got hidden_size={hidden_size}, num_heads={num_heads}"
            )
        head_size = hidden_size // num_heads
        self.num_heads, self.hidden_size = num_heads, hidden_size
        self.input = nn.Linear(sizes.input_size, 4 * hidden_size)  # for i, f, o, z
        nn.init.constant_(self.input.bias[hidden_size : 2 * hidden_size], forget_bias)
        self.recurrent = nn.Parameter(torch.empty(num_heads, 4 * head_size, head_size))
        nn.init.uniform_(self.recurrent, -(head_size**-0.5), head_size**-0.5)

    def start(self, x_t: Float[Tensor, "b d"]) -> State:
        """Return zeros, and a stabilizer below any gate."""
        zero = x_t.new_zeros(x_t.shape[0], self.hidden_size)
        return zero, zero, zero, zero + FIRST_STABILIZER

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return h, and the state (h, c, n, m)."""
        own = torch.eye(self.num_heads, device=x.device, dtype=self.recurrent.dtype)
        blocks = torch.unflatten(self.recurrent, 1, (4, -1))  # (heads, gates, h / heads, h / heads)
        # one dense product per step is faster than one per head
        from_h = torch.einsum("ngqk,nm->mkgnq", blocks, own).reshape(self.hidden_size, -1)

        def step(wx_t: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
            h, c, n, m = state
            i, f, o, z = torch.addmm(wx_t, h, from_h).chunk(4, dim=-1)
            log_f = functional.logsigmoid(f)
            newest = torch.maximum(log_f + m, i)  # eq. 15
            keep, insert = torch.exp(log_f + m - newest), torch.exp(i - newest)
            c = keep * c + insert * torch.tanh(z)
            n = keep * n + insert
            h = torch.sigmoid(o) * c / n
            return h, (h, c, n, newest)

        return unroll(step, self.input(x), lengths, state or self.start(x[:, 0]))

    def run_native(
        self, library: Library, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b t h"]:
        """Return h of whole sequences, by a loop in C++."""
        return lem_slstm.slstm(library, x, lengths, self.input, self.recurrent)

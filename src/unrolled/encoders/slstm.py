"""Scalar LSTM with exponential gates. Beck et al. (2024), xLSTM, eq. 8 to 17.

The forget gate is a sigmoid (the paper allows either). A stabiliser m_t (eq. 15 to 17) is taken out
of both gates' exponents; it cancels in h_t. Before the first step it stands far below any gate,
so that the first step is taken as it is.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from unrolled.encoders.blocks.reader import State
from unrolled.encoders.blocks.residual import Layer, ResidualStack
from unrolled.encoders.blocks.unroll import unroll

NOTHING_YET = -1e9  # m before the first step


class SLSTMLayer(Layer):
    """c_t = f c + i z, n_t = f n + i, h_t = o c_t / n_t, gates of W x_t + R h_{t-1} + b.

    i = exp(.), f, o = sigmoid(.), z = tanh(.); R joins only units of the same head.

    input_size: features per step (d).
    hidden_size: units (h), a multiple of num_heads.
    num_heads: heads, >= 1.
    forget_bias: bias of the forget gate at the start.
    """

    def __init__(
        self, *, input_size: int, hidden_size: int, num_heads: int, forget_bias: float
    ) -> None:
        super().__init__()
        if num_heads < 1 or hidden_size % num_heads:
            raise ValueError(
                "need hidden_size to be a multiple of num_heads, "
                f"got hidden_size={hidden_size}, num_heads={num_heads}"
            )
        head_size = hidden_size // num_heads
        self.num_heads, self.hidden_size = num_heads, hidden_size
        self.input = nn.Linear(input_size, 4 * hidden_size)  # for i, f, o, z
        nn.init.constant_(self.input.bias[hidden_size : 2 * hidden_size], forget_bias)
        self.recurrent = nn.Parameter(torch.empty(num_heads, 4 * head_size, head_size))
        nn.init.uniform_(self.recurrent, -(head_size**-0.5), head_size**-0.5)

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return h; the state is (h, c, n, m)."""
        own = torch.eye(self.num_heads, device=x.device, dtype=self.recurrent.dtype)
        blocks = torch.unflatten(self.recurrent, 1, (4, -1))  # (heads, gates, h / heads, h / heads)
        # one dense product a step is faster than one for each head
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

        wx = self.input(x)
        zero = wx.new_zeros(len(x), self.hidden_size)
        start = (zero, zero, zero, zero + NOTHING_YET)
        return unroll(step, wx, lengths, state or start)


class SLSTM(ResidualStack):
    """Layers of SLSTMLayer, whose settings it takes beside those of ResidualStack."""

    layer = SLSTMLayer

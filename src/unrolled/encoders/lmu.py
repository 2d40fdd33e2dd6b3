"""Legendre memory unit. Voelker, Kajic & Eliasmith (2019), Legendre memory units, eq. 1 to 5.

As in the authors' network for permuted MNIST, A and B are not trained, there are no biases, the
hidden state reads the new memory, and the feedback into the memory starts at zero (E_h = E_m = 0).

Departures:
- E_x, W_x and W_h start at random. In the authors' network E_x = 1 and W_x = W_h = 0.
- The memory may hold more than the one signal of the paper's equations, as memory_d in KerasLMU.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.encoders.blocks.encoder import Sizes, State
from unrolled.encoders.blocks.legendre import legendre_delay
from unrolled.encoders.blocks.residual import Layer
from unrolled.encoders.blocks.unroll import unroll


class LMU(Layer):
    """u_t = E_x x_t + E_h h + E_m m, m_t = A m + B u_t, h_t = tanh(W_x x_t + W_h h + W_m m_t).

    sizes: sizes of the layer's input (input_size is d).
    hidden_size: units (h).
    memory_size: signals u that are stored, each in its own memory, >= 1.
    order: coefficients per memory, >= 1.
    window: steps that a memory covers, > 0, or None for the steps of the longest sequence.
    """

    def __init__(
        self,
        sizes: Sizes,
        *,
        hidden_size: int,
        memory_size: int,
        order: int,
        window: float | None,
    ) -> None:
        super().__init__()
        a, b = legendre_delay(order, sizes.num_steps if window is None else window)
        self.register_buffer("a", a.float(), persistent=False)
        self.register_buffer("b", b.float(), persistent=False)
        self.e_x = nn.Parameter(torch.empty(memory_size, sizes.input_size))
        self.e_h = nn.Parameter(torch.zeros(memory_size, hidden_size))
        self.e_m = nn.Parameter(torch.zeros(memory_size, memory_size * order))
        self.w_x = nn.Parameter(torch.empty(hidden_size, sizes.input_size))
        self.w_h = nn.Parameter(torch.empty(hidden_size, hidden_size))
        self.w_m = nn.Parameter(torch.empty(hidden_size, memory_size * order))
        bound = (3 / sizes.input_size) ** 0.5  # LeCun
        nn.init.uniform_(self.e_x, -bound, bound)
        for weight in (self.w_x, self.w_h, self.w_m):
            nn.init.xavier_normal_(weight)

    def start(self, x_t: Float[Tensor, "b d"]) -> State:
        """Return an empty memory."""
        hidden_size, (memory_size, _) = self.w_h.shape[0], self.e_h.shape
        order = self.get_buffer("b").shape[0]
        num = x_t.shape[0]
        return x_t.new_zeros(num, hidden_size), x_t.new_zeros(num, memory_size, order)

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return h, and the state (h, m)."""
        from_h = torch.cat([self.w_h, self.e_h]).T
        a, b = self.get_buffer("a").T, self.get_buffer("b")

        def step(from_x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
            h, m = state
            pre, u = torch.addmm(from_x, h, from_h).tensor_split([h.shape[1]], dim=-1)
            u = u + m.flatten(1) @ self.e_m.T
            m = m @ a + u[:, :, None] * b
            h = torch.tanh(pre + m.flatten(1) @ self.w_m.T)
            return h, (h, m)

        inputs = x @ torch.cat([self.w_x, self.e_x]).T
        return unroll(step, inputs, lengths, state or self.start(x[:, 0]))

"""Parallel Legendre memory unit. Chilkuri & Eliasmith (2021), ICML, section 3.

Title: Parallelizing Legendre memory unit training.

The memory depends on the input alone. Whole sequences are therefore convolved with the memory's
impulse response by FFT; chunks and steps run the recurrence.

Departures:
- The memory may hold more than the one signal of the paper's equations, as memory_d in KerasLMU.
- The biases of the signals start at 1, so that no rectified signal starts dead.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.encoders.blocks.convolution import causal_convolution
from unrolled.encoders.blocks.encoder import Sizes, State
from unrolled.encoders.blocks.legendre import legendre_delay
from unrolled.encoders.blocks.residual import Layer
from unrolled.encoders.blocks.unroll import unroll


class LMUFFT(Layer):
    """u_t = relu(W_u x_t + b_u), m_t = A m_{t-1} + B u_t for each u, h_t = relu(W [m_t, x_t] + b).

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
        self.to_memory = nn.Linear(sizes.input_size, memory_size)
        nn.init.ones_(self.to_memory.bias)
        self.to_hidden = nn.Linear(memory_size * order + sizes.input_size, hidden_size)

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t h"]:
        """Return the hidden states of whole sequences, by FFT."""
        u = torch.relu(self.to_memory(x))  # (b, t, k)
        signals = u.mT.flatten(0, 1)[:, :, None]  # (b k, t, 1)
        memory = causal_convolution(signals, self._impulse_response(x.shape[1]))
        memory = torch.unflatten(memory, 0, (x.shape[0], -1)).transpose(1, 2)  # (b, t, k, n)
        return self._hidden(memory.flatten(2), x)

    def start(self, x_t: Float[Tensor, "b d"]) -> State:
        """Return an empty memory."""
        memory_size, order = self.to_memory.out_features, self.get_buffer("b").shape[0]
        return (x_t.new_zeros(x_t.shape[0], memory_size, order),)

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return h, and the state (m,)."""
        a, b = self.get_buffer("a").T, self.get_buffer("b")

        def step(u_t: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
            m = state[0] @ a + u_t[:, :, None] * b
            return m.flatten(1), (m,)

        u = torch.relu(self.to_memory(x))
        memory, state = unroll(step, u, lengths, state or self.start(x[:, 0]))
        return self._hidden(memory, x), state

    def _hidden(self, memory: Tensor, x: Tensor) -> Tensor:
        return torch.relu(self.to_hidden(torch.cat([memory, x], dim=-1)))

    def _impulse_response(self, num_steps: int) -> Float[Tensor, "t n"]:
        """Return B, A B, A^2 B, ...; each pass doubles the number of known terms."""
        power, response = self.get_buffer("a").T, self.get_buffer("b")[None]
        with torch.autocast(power.device.type, enabled=False):  # high powers need full precision
            while len(response) < num_steps:
                response = torch.cat([response, response @ power])
                power = power @ power
        return response[:num_steps]

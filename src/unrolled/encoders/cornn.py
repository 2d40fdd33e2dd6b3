"""Coupled oscillatory recurrent neural network. Rusch & Mishra (2021), ICLR, eq. 3.

It follows the explicit form of the authors' code, in which the friction acts on the old velocity.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.encoders.blocks.encoder import Sizes, State
from unrolled.encoders.blocks.residual import Layer
from unrolled.encoders.blocks.unroll import unroll


class CoRNN(Layer):
    """z_t = z + dt (tanh(W [x_t, z, y] + b) - gamma y - epsilon z), y_t = y + dt z_t; h_t = y_t.

    sizes: sizes of the layer's input (input_size is d).
    hidden_size: oscillators (h).
    dt: time step, > 0.
    gamma: stiffness, > 0.
    epsilon: friction, > 0.
    """

    def __init__(
        self, sizes: Sizes, *, hidden_size: int, dt: float, gamma: float, epsilon: float
    ) -> None:
        super().__init__()
        if min(dt, gamma, epsilon) <= 0:
            raise ValueError(
                f"need dt, gamma, epsilon > 0, got dt={dt}, gamma={gamma}, epsilon={epsilon}"
            )
        self.dt, self.gamma, self.epsilon = dt, gamma, epsilon
        self.input = nn.Linear(sizes.input_size, hidden_size)
        self.recurrent = nn.Linear(2 * hidden_size, hidden_size, bias=False)  # from (z, y)
        bound = (sizes.input_size + 2 * hidden_size) ** -0.5  # the authors use a single nn.Linear
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def start(self, x_t: Float[Tensor, "b d"]) -> State:
        """Return oscillators at rest."""
        zero = x_t.new_zeros(x_t.shape[0], self.input.out_features)
        return zero, zero

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return the positions y, and the state (y, z)."""

        def step(wx_t: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
            y, z = state
            force = torch.tanh(wx_t + self.recurrent(torch.cat([z, y], dim=-1)))
            z = z + self.dt * (force - self.gamma * y - self.epsilon * z)
            y = y + self.dt * z
            return y, (y, z)

        return unroll(step, self.input(x), lengths, state or self.start(x[:, 0]))

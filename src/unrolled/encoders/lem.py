"""Long expressive memory. Rusch et al. (2022), ICLR, eq. 3.

Departure: the recurrent products have no biases. In the authors' code each linear map has one.
"""

from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.encoders.blocks.encoder import Sizes, State
from unrolled.encoders.blocks.residual import Layer
from unrolled.encoders.blocks.unroll import unroll
from unrolled.encoders.native import lem_slstm
from unrolled.encoders.native.library import Library


class LEM(Layer):
    """z_t = (1 - a) z + a tanh(W_z y + V_z x_t + b_z), y_t = (1 - c) y + c tanh(W_y z_t + ...).

    a = dt sigmoid(W_1 y + V_1 x_t + b_1), c = dt sigmoid(W_2 y + V_2 x_t + b_2), y = y_{t-1};
    h_t = y_t.

    sizes: sizes of the layer's input (input_size is d).
    hidden_size: units (h).
    dt: largest time step, 0 < dt <= 1.
    """

    cell: ClassVar[str | None] = "lem"

    def __init__(self, sizes: Sizes, *, hidden_size: int, dt: float) -> None:
        super().__init__()
        if not 0 < dt <= 1:
            raise ValueError(f"need 0 < dt <= 1, got dt={dt}")
        self.dt = dt
        self.input = nn.Linear(sizes.input_size, 4 * hidden_size)  # for a, c, z, y
        self.from_y = nn.Linear(hidden_size, 3 * hidden_size, bias=False)  # for a, c, z
        self.from_z = nn.Linear(hidden_size, hidden_size, bias=False)  # for y
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(hidden_size**-0.5), hidden_size**-0.5)

    def start(self, x_t: Float[Tensor, "b d"]) -> State:
        """Return zeros."""
        zero = x_t.new_zeros(x_t.shape[0], self.from_z.out_features)
        return zero, zero

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return y, and the state (y, z)."""
        size = self.from_z.out_features

        def step(vx_t: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
            y, z = state
            for_gates, for_z, for_y = vx_t.tensor_split([2 * size, 3 * size], dim=-1)
            wy_gates, wy_z = self.from_y(y).tensor_split([2 * size], dim=-1)
            a, c = (self.dt * torch.sigmoid(for_gates + wy_gates)).chunk(2, dim=-1)
            z = torch.lerp(z, torch.tanh(for_z + wy_z), a)
            y = torch.lerp(y, torch.tanh(for_y + self.from_z(z)), c)
            return y, (y, z)

        return unroll(step, self.input(x), lengths, state or self.start(x[:, 0]))

    def run_native(
        self, library: Library, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b t h"]:
        """Return y of whole sequences, by a loop in C++."""
        from_y, from_z = self.from_y.weight, self.from_z.weight
        return lem_slstm.lem(library, x, lengths, self.input, from_y, from_z, self.dt)

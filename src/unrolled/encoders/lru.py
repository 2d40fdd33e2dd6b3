"""Linear recurrent unit. Orvieto et al. (2023), Resurrecting recurrent neural networks, section 3.

Complex matrices are stored as two real ones, which every optimizer and checkpoint format supports.
Whole sequences are read by a complex scan. Chunks and steps run the same recurrence in real
numbers.

Departures:
- Layer normalization instead of batch normalization (see blocks/residual.py).
- The GELU after the layer is the exact one, and there is no dropout between GELU and gated linear
  unit.
"""

import math
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.encoders.blocks.encoder import Sizes, State, at_least_single
from unrolled.encoders.blocks.residual import Layer
from unrolled.encoders.blocks.scan import scan
from unrolled.encoders.blocks.unroll import unroll
from unrolled.encoders.native import scans
from unrolled.encoders.native.library import Library


class LRU(Layer):
    """s_t = lambda s_{t-1} + gamma B x_t, y_t = Re(C s_t) + D x_t; lambda on a ring, |lambda| < 1.

    sizes: sizes of the layer's input (input_size is d).
    hidden_size: units (h). The diagonal skip connection D exists only if h = d.
    state_size: complex units of the state, >= 1.
    r_min, r_max: radii between which the eigenvalues start, 0 <= r_min < r_max < 1.
    max_phase: largest angle at which they start, in radians, > 0.
    """

    cell: ClassVar[str | None] = "lru"

    def __init__(
        self,
        sizes: Sizes,
        *,
        hidden_size: int,
        state_size: int,
        r_min: float,
        r_max: float,
        max_phase: float,
    ) -> None:
        super().__init__()
        if state_size < 1 or not 0 <= r_min < r_max < 1 or max_phase <= 0:
            raise ValueError(
                "need state_size >= 1, 0 <= r_min < r_max < 1 and max_phase > 0, got "
                f"state_size={state_size}, r_min={r_min}, r_max={r_max}, max_phase={max_phase}"
            )
        radius = (r_min**2 + torch.rand(state_size) * (r_max**2 - r_min**2)).sqrt()
        phase = max_phase * torch.rand(state_size)
        self.log_nu = nn.Parameter((-radius.log()).log())  # |lambda| = exp(-exp(log_nu))
        self.log_theta = nn.Parameter(phase.log())
        self.log_gamma = nn.Parameter((1 - radius.square()).sqrt().log())
        scale_in, scale_out = 1 / math.sqrt(2 * sizes.input_size), 1 / math.sqrt(state_size)
        b_parts = torch.randn(2 * state_size, sizes.input_size)  # Re, Im
        self.b_parts = nn.Parameter(scale_in * b_parts)
        self.c_parts = nn.Parameter(scale_out * torch.randn(hidden_size, 2 * state_size))  # Re, -Im
        same = sizes.input_size == hidden_size
        self.d = nn.Parameter(torch.randn(hidden_size)) if same else None

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t h"]:
        """Return the outputs of whole sequences, by a scan."""
        eigenvalues = torch.polar((-self.log_nu.exp()).exp(), self.log_theta.exp())
        # real and imaginary parts next to each other, so that complex numbers need no copy
        b = torch.unflatten(at_least_single(x @ _interleaved(self._b()).T), -1, (-1, 2))
        states, _ = scan(eigenvalues, torch.view_as_complex(b), None, None)
        y = torch.view_as_real(states).flatten(-2) @ _interleaved(self.c_parts.T)
        return self._with_skip(y, x)

    def run_native(
        self, library: Library, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b t h"]:
        """Return the outputs of whole sequences, by a loop in C++."""
        bx = x @ self._b().T
        states = scans.lru(library, bx, lengths, torch.stack(self._eigenvalues()))
        return self._with_skip(states @ self.c_parts.T, x)

    def start(self, x_t: Float[Tensor, "b d"]) -> State:
        """Return zeros, as the real and imaginary part of the states."""
        zero = x_t.new_zeros(x_t.shape[0], self.log_nu.shape[0])
        return zero, zero

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return the outputs, and the real and imaginary part of the states."""
        a_re, a_im = self._eigenvalues()

        def step(bx_t: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
            (s_re, s_im), (bx_re, bx_im) = state, bx_t.chunk(2, dim=-1)
            s_re, s_im = a_re * s_re - a_im * s_im + bx_re, a_re * s_im + a_im * s_re + bx_im
            return torch.cat([s_re, s_im], dim=-1), (s_re, s_im)

        states, last = unroll(step, x @ self._b().T, lengths, state or self.start(x[:, 0]))
        return self._with_skip(states @ self.c_parts.T, x), last

    def _eigenvalues(self) -> tuple[Float[Tensor, " k"], Float[Tensor, " k"]]:
        radius, angle = (-self.log_nu.exp()).exp(), self.log_theta.exp()
        return radius * angle.cos(), radius * angle.sin()

    def _b(self) -> Float[Tensor, "k d"]:
        return self.log_gamma.exp().repeat(2)[:, None] * self.b_parts

    def _with_skip(self, y: Float[Tensor, "b t h"], x: Float[Tensor, "b t d"]) -> Tensor:
        return y if self.d is None else y + self.d * x

    def recurrent_parameters(self) -> list[nn.Parameter]:
        """Return the eigenvalues and the normalization of the input."""
        return [self.log_nu, self.log_theta, self.log_gamma]


def _interleaved(parts: Float[Tensor, "k n"]) -> Float[Tensor, "k n"]:
    """Return rows of real parts, then imaginary parts, as a row of each in turn."""
    return torch.unflatten(parts, 0, (2, -1)).transpose(0, 1).flatten(0, 1)

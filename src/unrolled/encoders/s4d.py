"""Diagonal state space model, S4D. Gu et al. (2022), NeurIPS, the variant S4D-Lin.

A starts at A_n = -1/2 + i pi n, discretization is by zero-order hold, B = 1, and C is trained.
Whole sequences are convolved with the kernel K_l = 2 Re(C B' A'^l) by FFT, or on a CPU by
the equivalent recurrence in C++ (`encoders/native`), which chunks and steps run in torch.

Departures:
- The GELU after the layer is the exact one, and there is no dropout between GELU and gated linear
  unit (see blocks/residual.py).
"""

import math
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.encoders.blocks.convolution import causal_convolution
from unrolled.encoders.blocks.encoder import Sizes, State
from unrolled.encoders.blocks.residual import Layer
from unrolled.encoders.blocks.unroll import unroll
from unrolled.encoders.native import scans
from unrolled.encoders.native.library import Library


class S4D(Layer):
    """Per unit: s_t = A' s_{t-1} + B' x_t, y_t = 2 Re(C s_t) + D x_t; A' = exp(dt A), s complex.

    sizes: sizes of the layer's input (input_size is d). If d is not h, a linear map comes first.
    hidden_size: units (h).
    state_size: complex states per unit, >= 1. The paper's N is twice as large, because it
        counts conjugates.
    dt_min, dt_max: range in which the time steps start, log-uniformly, 0 < dt_min <= dt_max.
    """

    cell: ClassVar[str | None] = "s4d"

    def __init__(
        self, sizes: Sizes, *, hidden_size: int, state_size: int, dt_min: float, dt_max: float
    ) -> None:
        super().__init__()
        if state_size < 1 or not 0 < dt_min <= dt_max:
            raise ValueError(
                "need state_size >= 1 and 0 < dt_min <= dt_max, got "
                f"state_size={state_size}, dt_min={dt_min}, dt_max={dt_max}"
            )
        same = sizes.input_size == hidden_size
        self.input = nn.Identity() if same else nn.Linear(sizes.input_size, hidden_size)
        ratio = math.log(dt_max / dt_min)
        self.log_dt = nn.Parameter(math.log(dt_min) + ratio * torch.rand(hidden_size))
        shape = (hidden_size, state_size)
        self.log_decay = nn.Parameter(torch.full(shape, 0.5).log())  # Re A = -exp(log_decay)
        self.frequency = nn.Parameter((math.pi * torch.arange(state_size)).repeat(hidden_size, 1))
        self.c_parts = nn.Parameter(math.sqrt(0.5) * torch.randn(2, *shape))  # Re, Im
        self.d = nn.Parameter(torch.randn(hidden_size))

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t h"]:
        """Return the outputs of whole sequences, by FFT."""
        x = self.input(x)
        log_a, b, c = self._discrete()
        # with l = num q + r, a matrix product replaces t exponentials
        num = math.isqrt(x.shape[1] - 1) + 1
        exponents = log_a[:, :, None] * torch.arange(num, device=x.device)  # (h, states, num)
        near, far = exponents.exp(), (num * exponents).exp() * (b * c)[:, :, None]
        parts = torch.cat([far.real, -far.imag], dim=1).mT @ torch.cat(
            [near.real, near.imag], dim=1
        )
        kernel = 2 * parts.flatten(1)[:, : x.shape[1]].T  # (t, h)
        return causal_convolution(x, kernel) + self.d * x

    def run_native(
        self, library: Library, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b t h"]:
        """Return the outputs of whole sequences, by the recurrence in C++."""
        x = self.input(x)
        a, (b_re, b_im) = self._discrete_parts()
        c_re, c_im = (2 * self.c_parts).unbind(0)
        weights = c_re * b_re - c_im * b_im, c_re * b_im + c_im * b_re
        y = scans.s4d(library, x, lengths, torch.stack([*a, *weights]).mT)
        return y + self.d * x

    def start(self, x_t: Float[Tensor, "b d"]) -> State:
        """Return zeros, as the real and imaginary part of the states."""
        zero = x_t.new_zeros(x_t.shape[0], *self.frequency.shape)
        return zero, zero

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return the outputs, and the real and imaginary part of the states, (b, h, states)."""
        (a_re, a_im), (b_re, b_im) = self._discrete_parts()
        c_re, c_im = (2 * self.c_parts).unbind(0)

        def step(x_t: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
            s_re, s_im = state
            s_re, s_im = (
                a_re * s_re - a_im * s_im + b_re * x_t[:, :, None],
                a_re * s_im + a_im * s_re + b_im * x_t[:, :, None],
            )
            y = (c_re * s_re - c_im * s_im).sum(dim=-1) + self.d * x_t
            return y, (s_re, s_im)

        x = self.input(x)
        return unroll(step, x, lengths, state or self.start(x[:, 0]))

    def recurrent_parameters(self) -> list[nn.Parameter]:
        """Return time steps and eigenvalues."""
        return [self.log_dt, self.log_decay, self.frequency]

    def _discrete(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return log A', B' and C, each (h, states), complex."""
        a = torch.complex(-self.log_decay.exp(), self.frequency)
        log_a = self.log_dt.exp()[:, None] * a
        return log_a, torch.expm1(log_a) / a, torch.complex(self.c_parts[0], self.c_parts[1])

    def _discrete_parts(self) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Return the real and imaginary parts of A' and of B', each (h, states)."""
        dt, re, im = self.log_dt.exp()[:, None], -self.log_decay.exp(), self.frequency
        radius, cos, sin = (dt * re).exp(), (dt * im).cos(), (dt * im).sin()
        # A' - 1 without cancellation
        less_re = torch.expm1(dt * re) * cos - 2 * (dt * im / 2).sin().square()
        less_im = radius * sin
        size = re.square() + im.square()
        b = (less_re * re + less_im * im) / size, (less_im * re - less_re * im) / size
        return (radius * cos, radius * sin), b

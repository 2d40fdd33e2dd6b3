"""Diagonal state space model, S4D. Gu et al. (2022), NeurIPS, the variant S4D-Lin.

A starts at A_n = -1/2 + i pi n, discretization is by zero-order hold, B = 1, and C is trained.
Whole sequences are convolved with the kernel K_l = 2 Re(C B' A'^l) by FFT; chunks and steps run the
equivalent recurrence.

Departures:
- The GELU after the layer is the exact one, and there is no dropout between GELU and gated linear
  unit (see blocks/residual.py).
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.encoders.blocks.convolution import causal_convolution
from unrolled.encoders.blocks.encoder import Sizes, State
from unrolled.encoders.blocks.residual import Layer
from unrolled.encoders.blocks.unroll import unroll


class S4D(Layer):
    """Per unit: s_t = A' s_{t-1} + B' x_t, y_t = 2 Re(C s_t) + D x_t; A' = exp(dt A), s complex.

    sizes: sizes of the layer's input; a linear map comes first if input_size (d)
        is not hidden_size.
    hidden_size: units (h).
    state_size: complex states per unit, >= 1; half of the paper's N, since conjugates are implied.
    dt_min, dt_max: range in which the time steps start, log-uniformly, 0 < dt_min <= dt_max.
    """

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
        num = (
            math.isqrt(x.shape[1] - 1) + 1
        )  # l = num q + r: a matrix product instead of t exponentials
        exponents = log_a[:, :, None] * torch.arange(num, device=x.device)  # (h, states, num)
        near, far = exponents.exp(), (num * exponents).exp() * (b * c)[:, :, None]
        parts = torch.cat([far.real, -far.imag], dim=1).mT @ torch.cat(
            [near.real, near.imag], dim=1
        )
        kernel = 2 * parts.flatten(1)[:, : x.shape[1]].T  # (t, h)
        return causal_convolution(x, kernel) + self.d * x

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return the outputs; the state is the last complex state, (b, h, states)."""
        log_a, b, c = self._discrete()
        a = log_a.exp()

        def step(x_t: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
            s = a * state[0] + b * x_t[:, :, None]
            return 2 * (c * s).sum(dim=-1).real + self.d * x_t, (s,)

        x = self.input(x)
        return unroll(step, x, lengths, state or (b.new_zeros(len(x), *b.shape),))

    def recurrent_parameters(self) -> list[nn.Parameter]:
        """Return time steps and eigenvalues."""
        return [self.log_dt, self.log_decay, self.frequency]

    def _discrete(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return log A', B' and C, each (h, states), complex."""
        a = torch.complex(-self.log_decay.exp(), self.frequency)
        log_a = self.log_dt.exp()[:, None] * a
        return log_a, torch.expm1(log_a) / a, torch.complex(self.c_parts[0], self.c_parts[1])

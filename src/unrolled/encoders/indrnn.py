"""Independently recurrent network. Li et al. (2018), Independently recurrent neural network, eq. 2.

Each unit is connected only to its own past.

Departures:
- The recurrent weights are kept within their bound (section 4.1) by clipping them where they are
  used, and the gradient passes through unchanged. The authors clip them after each optimizer step.
- Layer normalization comes before the layer (see blocks/residual.py). The paper has batch
  normalization after it.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.encoders.blocks.encoder import Sizes, State
from unrolled.encoders.blocks.residual import Layer
from unrolled.encoders.blocks.unroll import unroll


class IndRNN(Layer):
    """h_t = relu(W x_t + u * h_{t-1} + b), |u| <= amplification^(1/T).

    sizes: sizes of the layer's input (input_size is d, num_steps is T).
    hidden_size: units (h).
    amplification: factor by which the state may grow over T steps, > 0 (2 in the paper).
    last_u_min: lower end of the range in which the recurrent weights of the last layer start, up
        to the bound. In all other layers it is 0. Near 1 the last layer starts with a memory of
        all steps, as the authors do for long sequences.
    """

    def __init__(
        self, sizes: Sizes, *, hidden_size: int, amplification: float, last_u_min: float
    ) -> None:
        super().__init__()
        if amplification <= 0:
            raise ValueError(f"need amplification > 0, got amplification={amplification}")
        self.bound = amplification ** (1 / sizes.num_steps)
        if not 0 <= last_u_min <= self.bound:
            raise ValueError(
                f"need 0 <= last_u_min <= {self.bound:.4g}, got last_u_min={last_u_min}"
            )
        self.last_u_min = last_u_min
        self.input = nn.Linear(sizes.input_size, hidden_size)
        self.u = nn.Parameter(self.bound * torch.rand(hidden_size))

    def start(self, x_t: Float[Tensor, "b d"]) -> State:
        """Return zeros."""
        return (x_t.new_zeros(x_t.shape[0], self.input.out_features),)

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return the hidden states, and the last one as the state."""
        u = self.u + (self.u.clamp(-self.bound, self.bound) - self.u).detach()

        def step(wx_t: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
            h = torch.relu(torch.addcmul(wx_t, u, state[0]))
            return h, (h,)

        return unroll(step, self.input(x), lengths, state or self.start(x[:, 0]))

    def initialize_as_last(self) -> None:
        """Let the recurrent weights start between last_u_min and the bound."""
        nn.init.uniform_(self.u, self.last_u_min, self.bound)

    def recurrent_parameters(self) -> list[nn.Parameter]:
        """Return the recurrent weights."""
        return [self.u]

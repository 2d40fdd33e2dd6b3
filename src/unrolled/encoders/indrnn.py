"""Independently recurrent network. Li et al. (2018), Independently recurrent neural network, eq. 2.

Every unit hears its own past only. The recurrent weights stay within a bound (section 4.1) by
clipping where they are used, with the gradient passed through, where the authors clip them after
each step of the optimiser. The block around it is ResidualStack's: layer normalisation before the
layer, where the paper has batch normalisation behind it.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.encoders.blocks.reader import State
from unrolled.encoders.blocks.residual import Layer, ResidualStack
from unrolled.encoders.blocks.unroll import unroll


class IndRNNLayer(Layer):
    """h_t = relu(W x_t + u * h_{t-1} + b), |u| <= amplification^(1/T).

    input_size: features per step (d).
    hidden_size: units (h).
    num_steps: steps of the longest sequence (T), >= 1.
    amplification: by how much the state may grow over T steps, > 0; 2 in the paper.
    """

    def __init__(
        self, *, input_size: int, hidden_size: int, num_steps: int, amplification: float
    ) -> None:
        super().__init__()
        if num_steps < 1 or amplification <= 0:
            raise ValueError(
                "need num_steps >= 1 and amplification > 0, "
                f"got num_steps={num_steps}, amplification={amplification}"
            )
        self.bound = amplification ** (1 / num_steps)
        self.input = nn.Linear(input_size, hidden_size)
        self.u = nn.Parameter(self.bound * torch.rand(hidden_size))

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return hidden states and the last of them."""
        u = self.u + (self.u.clamp(-self.bound, self.bound) - self.u).detach()

        def step(wx_t: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
            h = torch.relu(torch.addcmul(wx_t, u, state[0]))
            return h, (h,)

        wx = self.input(x)
        return unroll(step, wx, lengths, state or (torch.zeros_like(wx[:, 0]),))

    def recurrent_parameters(self) -> list[nn.Parameter]:
        """Return the recurrent weights."""
        return [self.u]


class IndRNN(ResidualStack):
    """Layers of IndRNNLayer, whose settings it takes beside those of ResidualStack.

    last_u_min: from where the recurrent weights of the last layer start, up to the bound; 0 in all
        other layers. Near 1 what is read out begins with a memory of all steps, as the authors
        have it for long sequences.
    """

    layer = IndRNNLayer

    def __init__(self, *, last_u_min: float, **settings: Any) -> None:
        super().__init__(**settings)
        last = self.blocks[-1].layer
        assert isinstance(last, IndRNNLayer)
        if not 0 <= last_u_min <= last.bound:
            raise ValueError(f"need 0 <= last_u_min <= {last.bound:.4g}, got {last_u_min}")
        nn.init.uniform_(last.u, last_u_min, last.bound)

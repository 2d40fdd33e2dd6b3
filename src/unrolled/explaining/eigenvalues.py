"""Eigenvalues of a recurrent map; `half_life` has the memory that they imply.

Orvieto et al. (2023), Resurrecting recurrent neural networks for long sequences, section 3; for the
RNN, Pascanu, Mikolov & Bengio (2013), section 2.1.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Complex
from torch import Tensor, nn

from unrolled.encoders.indrnn import IndRNN
from unrolled.encoders.lru import LRU
from unrolled.encoders.rnn import RNN
from unrolled.encoders.s4d import S4D


@torch.no_grad()
def recurrent_eigenvalues(encoder: nn.Module) -> list[Complex[Tensor, " e"]]:
    """Return the eigenvalues of the map from a state to the next one, for each layer.

    The map must not depend on the input. It is the recurrent matrix of an RNN, linearized at the
    state 0, where the slope of its tanh is 1, diag(lambda) of an LRU, diag(exp(dt A)) of an S4D,
    and diag(u) of an IndRNN. There are none for other models, in which gates or inputs change the
    map at every step.

    Returns one tensor of e eigenvalues per layer (and direction of a bidirectional RNN).
    """
    return list(_eigenvalues(encoder))


def _eigenvalues(encoder: nn.Module) -> Iterator[Tensor]:
    for module in encoder.modules():
        if isinstance(module, RNN):
            yield torch.linalg.eigvals(module.weight_hh_l0.double())
        elif isinstance(module, LRU):
            yield torch.polar((-module.log_nu.exp()).exp(), module.log_theta.exp())
        elif isinstance(module, S4D):
            rate = torch.complex(-module.log_decay.exp(), module.frequency)
            yield (module.log_dt.exp()[:, None] * rate).exp().flatten()
        elif isinstance(module, IndRNN):
            u = module.u.clamp(-module.bound, module.bound)
            yield torch.complex(u, torch.zeros_like(u))

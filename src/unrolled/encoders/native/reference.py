"""The equations of `cells.cpp` in plain Python, to read and to test against."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unrolled.encoders.native.cells import Weights


def run(
    cell: str,
    x: Float[Tensor, "b t d"],
    lengths: Int[Tensor, " b"],
    state: tuple[Float[Tensor, "b h"], ...] | None,
    weights: Weights,
) -> Float[Tensor, "b t h"]:
    """Return the hidden states, 0 after the end of a sequence.

    For the arguments see `cells.run`.
    """
    size = weights.recurrent.shape[1]
    h = c = x.new_zeros(len(x), size)
    if state is not None:
        h, c = state[0], state[-1]
    outputs = []
    for t in range(x.shape[1]):
        h, c = _step(cell, x[:, t], h, c, weights)
        outputs.append(torch.where((t < lengths)[:, None], h, 0.0))
    return torch.stack(outputs, dim=1)


def _step(cell: str, x_t: Tensor, h: Tensor, c: Tensor, weights: Weights) -> tuple[Tensor, Tensor]:
    from_input = x_t @ weights.input.T + weights.input_bias
    from_state = h @ weights.recurrent.T + weights.recurrent_bias
    if cell in ("tanh", "relu"):
        y = from_input + from_state
        return (torch.tanh(y) if cell == "tanh" else torch.relu(y)), c
    if cell == "lstm":
        i, f, g, o = (from_input + from_state).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c
    (x_r, x_z, x_n), (h_r, h_z, h_n) = from_input.chunk(3, dim=1), from_state.chunk(3, dim=1)
    r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
    n = torch.tanh(x_n + r * h_n)
    return (1 - z) * n + z * h, c

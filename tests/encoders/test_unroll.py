"""The loop over time."""

import torch
from torch import Tensor

from unrolled.encoders.blocks.unroll import unroll

LENGTHS = torch.tensor([2, 4, 1])


def running_sum(x_t: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
    total = state[0] + x_t
    return 2 * total, (total,)


def test_outputs_come_from_the_step_function() -> None:
    x = torch.randn(3, 4, 2, dtype=torch.float64)
    hidden, (state,) = unroll(running_sum, x, None, (x[:, 0],))
    torch.testing.assert_close(hidden, 2 * (x.cumsum(1) + x[:, :1]))
    torch.testing.assert_close(state, x.sum(1) + x[:, 0])


def test_with_lengths_the_state_comes_from_each_last_real_step() -> None:
    x = torch.randn(3, 4, 2, dtype=torch.float64)
    _, (state,) = unroll(running_sum, x, LENGTHS, (torch.zeros(3, 2, dtype=torch.float64),))
    expected = [row[:length].sum(0) for row, length in zip(x, LENGTHS, strict=True)]
    torch.testing.assert_close(state, torch.stack(expected))

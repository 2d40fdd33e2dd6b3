"""Summary statistics of all steps so far: with a linear readout, logistic regression.

A baseline without memory of order: a recurrent network that does no better has learnt nothing
that six numbers per feature do not say.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

STATISTICS = ("mean", "standard deviation", "minimum", "maximum", "first", "last")
SMALLEST_VARIANCE = 1e-12  # below it the root has no usable gradient


def running_summary(x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t k"]:
    """Return, for each step, the statistics of the steps up to it: k = 6 d, d per statistic.

    The standard deviation is that of the steps themselves (no n - 1), at least 1e-6.
    """
    return _summarize(x, None)[0]


def summary_features(x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]) -> Float[Tensor, "b k"]:
    """Return the statistics of each sequence's real steps: k = 6 d, in the order of STATISTICS.

    lengths: real steps, 1 <= lengths <= t.
    """
    sequence = torch.arange(len(x), device=x.device)
    return running_summary(x)[sequence, lengths - 1]


class Summary(nn.Module):
    """h_t = (mean, deviation, minimum, maximum, first, last of x_1, ..., x_t), feature by feature.

    input_size: features per step (d); h = 6 d.
    """

    def __init__(self, *, input_size: int) -> None:
        super().__init__()
        self.output_size = len(STATISTICS) * input_size
        self.backward_size = 0

    def forward(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b t h"]:
        """Return the statistics so far at every step."""
        return running_summary(x)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return nothing: there is nothing to learn before the head."""
        return []


def _summarize(
    x: Float[Tensor, "b t d"], state: tuple[Tensor, ...] | None
) -> tuple[Float[Tensor, "b t k"], tuple[Tensor, ...]]:
    """Return the statistics after each step, going on from the sums that an earlier call kept."""
    if state is None:
        zero = torch.zeros_like(x[:, 0])
        state = (x[:, 0], zero[:, :1], zero, zero, x[:, 0], x[:, 0])
    first, count, total, squares, lowest, highest = state
    shifted = x - first[:, None]  # around the first value: sums of squares keep their digits
    counts = count[:, None] + torch.arange(1, x.shape[1] + 1, device=x.device)[:, None]  # (b, t, 1)
    totals = total[:, None] + shifted.cumsum(dim=1)
    all_squares = squares[:, None] + shifted.square().cumsum(dim=1)
    lows = torch.minimum(lowest[:, None], x.cummin(dim=1).values)
    highs = torch.maximum(highest[:, None], x.cummax(dim=1).values)
    mean = totals / counts
    variance = (all_squares / counts - mean.square()).clamp(min=SMALLEST_VARIANCE)
    firsts = first[:, None].expand_as(x)
    summary = torch.cat([mean + firsts, variance.sqrt(), lows, highs, firsts, x], dim=-1)
    kept = (counts, totals, all_squares, lows, highs)
    return summary, (first, *(running[:, -1] for running in kept))

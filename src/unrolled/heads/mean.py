"""Reads the mean over time."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unrolled.contracts import real_steps
from unrolled.heads.head import Head, Memory


class Mean(Head):
    """pool = (1 / T) sum_t h_t over the T real steps.

    input_size, backward_size, summary_size, num_classes, dropout, initialization: see Head.
    """

    def pool(
        self, hidden: Float[Tensor, "b t h"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b h"]:
        """Return the mean over real steps."""
        padding = ~real_steps(lengths, hidden.shape[1])[:, :, None]
        return hidden.masked_fill(padding, 0.0).sum(dim=1) / lengths[:, None]

    def start(self, hidden: Float[Tensor, "b h"]) -> Memory:
        """Return a sum of zero and no steps."""
        count = torch.zeros(hidden.shape[0], 1, dtype=torch.long, device=hidden.device)
        return torch.zeros_like(hidden), count

    def fold(self, hidden: Float[Tensor, "b t h"], memory: Memory | None) -> Memory:
        """Return the sum so far and the number of its steps."""
        total, count = memory or (0.0, 0)
        steps = torch.full((hidden.shape[0], 1), hidden.shape[1], device=hidden.device)
        return hidden.sum(dim=1) + total, steps + count

    def pool_memory(self, memory: Memory) -> Float[Tensor, "b h"]:
        """Return the mean of all steps so far."""
        total, count = memory
        mean: Tensor = total / count
        return mean

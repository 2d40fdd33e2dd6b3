"""Reads the mean and the maximum over time."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unrolled.contracts import real_steps
from unrolled.heads.head import Head, Memory


class MeanMax(Head):
    """pool = [(1 / T) sum_t h_t, max_t h_t] over the T real steps.

    input_size, backward_size, summary_size, num_classes, dropout, initialization: see Head.
    """

    num_pools = 2

    def pool(
        self, hidden: Float[Tensor, "b t h"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b f"]:
        """Return mean and maximum over real steps: f = 2 h."""
        padding = ~real_steps(lengths, hidden.shape[1])[:, :, None]
        mean = hidden.masked_fill(padding, 0.0).sum(dim=1) / lengths[:, None]
        largest = hidden.masked_fill(padding, float("-inf")).amax(dim=1)
        return torch.cat([mean, largest], dim=1)

    def start(self, hidden: Float[Tensor, "b h"]) -> Memory:
        """Return a sum of zero, no steps, and the maximum of no steps."""
        count = torch.zeros(hidden.shape[0], 1, dtype=torch.long, device=hidden.device)
        return torch.zeros_like(hidden), count, torch.full_like(hidden, -torch.inf)

    def fold(self, hidden: Float[Tensor, "b t h"], memory: Memory | None) -> Memory:
        """Return the sum so far, the number of its steps, and the maximum so far."""
        total, largest = hidden.sum(dim=1), hidden.amax(dim=1)
        count = torch.full((hidden.shape[0], 1), hidden.shape[1], device=hidden.device)
        if memory is not None:
            total, count = total + memory[0], count + memory[1]
            largest = torch.maximum(largest, memory[2])
        return total, count, largest

    def pool_memory(self, memory: Memory) -> Float[Tensor, "b f"]:
        """Return mean and maximum of all steps so far."""
        total, count, largest = memory
        return torch.cat([total / count, largest], dim=1)

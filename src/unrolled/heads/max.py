"""Reads the maximum over time. Collobert et al. (2011), section 3.3.2."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unrolled.contracts import real_steps
from unrolled.heads.head import Head, Memory


class Max(Head):
    """pool = max_t h_t over real steps, unit by unit.

    input_size, backward_size, summary_size, num_classes, dropout, initialization: see Head.
    """

    def pool(
        self, hidden: Float[Tensor, "b t h"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b h"]:
        """Return the maximum over real steps."""
        padding = ~real_steps(lengths, hidden.shape[1])[:, :, None]
        return hidden.masked_fill(padding, float("-inf")).amax(dim=1)

    def start(self, hidden: Float[Tensor, "b h"]) -> Memory:
        """Return the maximum of no steps."""
        return (torch.full_like(hidden, -torch.inf),)

    def fold(self, hidden: Float[Tensor, "b t h"], memory: Memory | None) -> Memory:
        """Return the maximum so far."""
        largest = hidden.amax(dim=1)
        return (largest if memory is None else torch.maximum(memory[0], largest),)

    def pool_memory(self, memory: Memory) -> Float[Tensor, "b h"]:
        """Return the maximum of all steps so far."""
        (largest,) = memory
        pooled: Tensor = largest
        return pooled

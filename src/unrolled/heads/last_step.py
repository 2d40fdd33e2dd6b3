"""Reads the hidden state that has seen the whole sequence."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unrolled.heads.head import Head, Memory


class LastStep(Head):
    """pool = h_T for left-to-right units (T: last real step), h_0 for right-to-left units.

    input_size, backward_size, summary_size, num_classes, dropout, initialization: see Head.
    """

    def pool(
        self, hidden: Float[Tensor, "b t h"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b h"]:
        """Return left-to-right units at the last real step, right-to-left units at step 0."""
        num, num_steps = hidden.shape[:2]
        sequences = torch.arange(num, device=hidden.device)
        # The same as hidden[arange(b), lengths - 1], but faster. Recurrent modules return a view of
        # a tensor with the steps first, and flattening the other two axes would copy it.
        by_step = hidden.transpose(0, 1)
        if by_step.is_contiguous():
            last = by_step.flatten(0, 1).index_select(0, (lengths - 1) * num + sequences)
        else:
            last = hidden.flatten(0, 1).index_select(0, sequences * num_steps + lengths - 1)
        if self.forward_size == hidden.shape[-1]:
            return last
        halves = last[:, : self.forward_size], hidden[:, 0, self.forward_size :]
        return torch.cat(halves, dim=-1)

    def start(self, hidden: Float[Tensor, "b h"]) -> Memory:
        """Return a step of zeros, which `fold` replaces."""
        return (torch.zeros_like(hidden),)

    def fold(self, hidden: Float[Tensor, "b t h"], memory: Memory | None) -> Memory:
        """Return the newest step."""
        return (hidden[:, -1],)

    def pool_memory(self, memory: Memory) -> Float[Tensor, "b h"]:
        """Return the newest step."""
        (newest,) = memory
        pooled: Tensor = newest
        return pooled

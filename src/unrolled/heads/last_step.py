"""Readout of the state in which a reader has seen the whole sequence."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unrolled.heads.pooled import Memory, PooledHead


class LastStep(PooledHead):
    """pool = h_T of the left-to-right half at each sequence's own last step T, h_0 of the other.

    input_size, backward_size, num_classes, dropout, initialization: see PooledHead.
    """

    def pool(
        self, hidden: Float[Tensor, "b t h"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b h"]:
        """Return the left-to-right half at the last real step, the right-to-left half at step 0."""
        num, num_steps = hidden.shape[:2]
        rows = torch.arange(0, num * num_steps, num_steps, device=hidden.device) + lengths - 1
        last = hidden.flatten(0, 1).index_select(0, rows)  # as hidden[:, lengths - 1], but faster
        if self.forward_size == hidden.shape[-1]:
            return last
        halves = last[:, : self.forward_size], hidden[:, 0, self.forward_size :]
        return torch.cat(halves, dim=-1)

    def fold(self, hidden: Float[Tensor, "b t h"], memory: Memory | None) -> Memory:
        """Return the newest step."""
        return (hidden[:, -1:],)

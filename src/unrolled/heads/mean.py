"""Readout of the mean over time."""

from jaxtyping import Float, Int
from torch import Tensor

from unrolled.heads.pooled import PooledHead, real_steps


class Mean(PooledHead):
    """pool = (1 / T) sum_t h_t over the T real steps.

    input_size, backward_size, num_classes, dropout, initialization: see PooledHead.
    """

    def pool(
        self, hidden: Float[Tensor, "b t h"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b h"]:
        """Return the mean over real steps."""
        padding = ~real_steps(hidden, lengths)[:, :, None]
        return hidden.masked_fill(padding, 0.0).sum(dim=1) / lengths[:, None]

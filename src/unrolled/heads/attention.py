"""Reads a weighted mean over time, with weights from attention.

Yang et al. (2016), Hierarchical attention networks, eq. 5 to 7.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.contracts import real_steps
from unrolled.heads.head import Head, Memory


class Attention(Head):
    """pool = sum_t a_t h_t with a = softmax_t(q . tanh(W h_t + b)) over real steps.

    input_size, backward_size, summary_size, num_classes, dropout, initialization: see Head.
    attention_size: size of the query q, >= 1.
    """

    def __init__(
        self,
        *,
        input_size: int,
        backward_size: int,
        summary_size: int,
        num_classes: int,
        dropout: float,
        initialization: str,
        attention_size: int,
    ) -> None:
        super().__init__(
            input_size=input_size,
            backward_size=backward_size,
            summary_size=summary_size,
            num_classes=num_classes,
            dropout=dropout,
            initialization=initialization,
        )
        if attention_size < 1:
            raise ValueError(f"need attention_size >= 1, got attention_size={attention_size}")
        self.projection = nn.Linear(input_size, attention_size)  # eq. 5
        self.query = nn.Linear(attention_size, 1, bias=False)

    def pool(
        self, hidden: Float[Tensor, "b t h"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b h"]:
        """Return the attention-weighted mean over real steps."""
        padding = ~real_steps(lengths, hidden.shape[1])
        scores = self._scores(hidden)
        weights = scores.masked_fill(padding, float("-inf")).softmax(dim=1)  # eq. 6
        real = hidden.masked_fill(padding[:, :, None], 0.0)
        pooled: Tensor = (weights[:, :, None] * real).sum(dim=1)  # eq. 7
        return pooled

    def start(self, hidden: Float[Tensor, "b h"]) -> Memory:
        """Return a largest score of minus infinity, and sums of zero."""
        total = hidden.new_zeros(hidden.shape[0], 1)
        return total - torch.inf, total, torch.zeros_like(hidden)

    def fold(self, hidden: Float[Tensor, "b t h"], memory: Memory | None) -> Memory:
        """Return the largest score so far, and sums of exp(score - largest) and of its h_t."""
        scores = self._scores(hidden)
        largest = scores.amax(dim=1, keepdim=True)  # (b, 1)
        if memory is not None:
            largest = torch.maximum(largest, memory[0])
        weights = (scores - largest).exp()
        total, weighted = (
            weights.sum(dim=1, keepdim=True),
            (weights[:, :, None] * hidden).sum(dim=1),
        )
        if memory is not None:
            fading = (memory[0] - largest).exp()
            total, weighted = total + fading * memory[1], weighted + fading * memory[2]
        return largest, total, weighted

    def pool_memory(self, memory: Memory) -> Float[Tensor, "b h"]:
        """Return the attention-weighted mean over all steps so far."""
        _, total, weighted = memory
        pooled: Tensor = weighted / total
        return pooled

    def _scores(self, hidden: Tensor) -> Tensor:
        scores: Tensor = self.query(torch.tanh(self.projection(hidden))).squeeze(-1)  # (b, t)
        return scores

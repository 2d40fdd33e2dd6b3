"""The contract of a head: many steps become one vector, and a linear map turns it into logits."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

# The memory of a head: tensors whose first axis is the sequence.
Memory = tuple[Any, ...]


class Head(nn.Module, ABC):
    """logits = W dropout([summary, pool(hidden)]) + b.

    A subclass implements `pool`. A sequence that is too long for memory is classified in chunks:
    `fold` reduces the chunks to a memory, and `classify` returns the logits. A subclass whose pool
    needs less than all steps overrides `start`, `fold` and `pool_memory`.

    num_pools: vectors of h features that `pool` concatenates (class attribute).
    input_size: hidden units per step (h).
    backward_size: how many of them, the last ones, come from a right-to-left direction.
    summary_size: features of the summary that the stem returns (s), 0 for none.
    num_classes: classes (c).
    dropout: fraction of pooled features dropped in training, 0 <= dropout < 1.
    initialization: small (weights N(0, 0.01^2) and bias 0, so that the first loss is about ln c for
        any encoder) or torch (nn.Linear's own).
    """

    num_pools = 1

    def __init__(
        self,
        *,
        input_size: int,
        backward_size: int,
        summary_size: int,
        num_classes: int,
        dropout: float,
        initialization: str,
    ) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"need 0 <= dropout < 1, got dropout={dropout}")
        if initialization not in ("small", "torch"):
            raise ValueError(
                f"need initialization small or torch, got initialization={initialization!r}"
            )
        self.forward_size = input_size - backward_size
        self.dropout = dropout
        self.output = nn.Linear(summary_size + self.num_pools * input_size, num_classes)
        if initialization == "small":
            nn.init.normal_(self.output.weight, std=0.01)
            nn.init.zeros_(self.output.bias)

    @abstractmethod
    def pool(
        self, hidden: Float[Tensor, "b t h"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b f"]:
        """Return one vector per sequence, computed from its real steps only."""

    def forward(
        self,
        hidden: Float[Tensor, "b t h"],
        lengths: Int[Tensor, " b"],
        summary: Float[Tensor, "b s"] | None = None,
    ) -> Float[Tensor, "b c"]:
        """Return logits, which depend on real steps only."""
        pooled = self.pool(hidden, lengths)
        return self._read_out(pooled if summary is None else torch.cat([summary, pooled], dim=1))

    def start(self, hidden: Float[Tensor, "b h"]) -> Memory:
        """Return the memory of no steps.

        hidden: a step, of which only shape, dtype and device are used.
        """
        return (hidden.new_zeros(hidden.shape[0], 0, hidden.shape[1]),)

    def fold(self, hidden: Float[Tensor, "b t h"], memory: Memory | None) -> Memory:
        """Return what `classify` needs of all steps so far. The default keeps all of them.

        hidden: the next chunk, in which all steps are real.
        memory: the memory that the call for the previous chunk returned. None: this chunk is the
            beginning of the sequences.
        """
        return (hidden if memory is None else torch.cat([memory[0], hidden], dim=1),)

    def pool_memory(self, memory: Memory) -> Float[Tensor, "b f"]:
        """Return the pool of all steps that were folded into the memory."""
        (hidden,) = memory
        return self.pool(hidden, torch.full((len(hidden),), hidden.shape[1], device=hidden.device))

    def classify(
        self, memory: Memory, summary: Float[Tensor, "b s"] | None = None
    ) -> Float[Tensor, "b c"]:
        """Return the logits of the sequences that were folded into the memory."""
        pooled = self.pool_memory(memory)
        return self._read_out(pooled if summary is None else torch.cat([summary, pooled], dim=1))

    def _read_out(self, pooled: Tensor) -> Tensor:
        logits: Tensor = self.output(functional.dropout(pooled, self.dropout, self.training))
        return logits

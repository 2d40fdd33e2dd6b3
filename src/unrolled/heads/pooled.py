"""A readout: many steps become one vector, and a linear map turns it into logits."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

Memory = tuple[Any, ...]  # tensors, the first axis of each is that of the sequences


def real_steps(hidden: Float[Tensor, "b t h"], lengths: Int[Tensor, " b"]) -> Bool[Tensor, "b t"]:
    """Return which steps are real."""
    return torch.arange(hidden.shape[1], device=hidden.device) < lengths[:, None]


class PooledHead(nn.Module, ABC):
    """logits = W dropout(pool(hidden)) + b.

    input_size: features per step (h).
    backward_size: how many of them, the last ones, come from a right-to-left reader.
    num_classes: classes (c).
    dropout: fraction of pooled features silenced in training, 0 <= dropout < 1.
    initialization: small (weights N(0, 0.01^2), bias 0: the first loss is ln c whatever the
        encoder says) or torch (nn.Linear's own).
    """

    def __init__(
        self,
        *,
        input_size: int,
        backward_size: int,
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
        self.output = nn.Linear(input_size, num_classes)
        if initialization == "small":
            nn.init.normal_(self.output.weight, std=0.01)
            nn.init.zeros_(self.output.bias)

    @abstractmethod
    def pool(
        self, hidden: Float[Tensor, "b t h"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b h"]:
        """Return one vector per sequence, made from its real steps."""

    def forward(
        self, hidden: Float[Tensor, "b t h"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b c"]:
        """Return logits."""
        return self._read_out(self.pool(hidden, lengths))

    # for sequences that are too long to be held: chunk after chunk, all of its steps real

    def fold(self, hidden: Float[Tensor, "b t h"], memory: Memory | None) -> Memory:
        """Return what `classify` needs of all steps so far; a pool may need less than all of them.

        memory: of the chunks before; None: the sequences begin here.
        """
        return (hidden if memory is None else torch.cat([memory[0], hidden], dim=1),)

    def pool_of(self, memory: Memory) -> Float[Tensor, "b h"]:
        """Return the pool of all steps that were folded into the memory."""
        (hidden,) = memory
        return self.pool(hidden, torch.full((len(hidden),), hidden.shape[1], device=hidden.device))

    def classify(self, memory: Memory) -> Float[Tensor, "b c"]:
        """Return logits of the sequences that were folded into the memory."""
        return self._read_out(self.pool_of(memory))

    def _read_out(self, pooled: Tensor) -> Tensor:
        logits: Tensor = self.output(functional.dropout(pooled, self.dropout, self.training))
        return logits

"""Some sequences of a set, which are copied and converted to double precision block by block.

A set may take gigabytes. Everything that prepares it works on one block at a time, so that only the
result is in memory as a whole, in single precision.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int
from torch import Tensor

from unrolled.contracts import Sequences

BLOCK_VALUES = 2**16  # of features in a block, if it has several sequences; they fit the cache


@dataclass(frozen=True)
class Selection:
    """Sequences of a set by row.

    sequences: the set.
    rows: 0 <= rows < len(sequences), (n,).
    """

    sequences: Sequences
    rows: Int[Tensor, " n"]

    @classmethod
    def of_all(cls, sequences: Sequences) -> "Selection":
        """Return all sequences of a set in order."""
        return cls(sequences, torch.arange(len(sequences)))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def num_features(self) -> int:
        """Features per step (d)."""
        return self.sequences.x.shape[2]

    def blocks(self) -> Iterator[Sequences]:
        """Yield the sequences in order, some at a time, with x in double precision."""
        num_steps, num_features = self.sequences.x.shape[1:]
        for rows in torch.split(self.rows, max(1, BLOCK_VALUES // (num_steps * num_features))):
            block = self.sequences.take(rows)
            yield replace(block, x=block.x.double())


def joined(blocks: Iterator[Sequences], *, num_sequences: int) -> Sequences:
    """Return the sequences of all blocks, with x in single precision.

    blocks: at least one; all are padded to the same number of steps.
    num_sequences: of all blocks together (n). With it, x is allocated once.
    """
    x = torch.zeros(0)
    others: list[tuple[Tensor, ...]] = []
    first_row = 0
    for block in blocks:
        if not others:
            x = torch.empty(num_sequences, *block.x.shape[1:])
        x[first_row : first_row + len(block)] = block.x
        others.append(block.tensors()[1:])
        first_row += len(block)
    assert first_row == num_sequences
    lengths, y, ids = (torch.cat(parts) for parts in zip(*others, strict=True))
    return Sequences(x=x, lengths=lengths, y=y, ids=ids)

"""Some sequences of a set, which are copied and converted to double precision block by block.

A set may take gigabytes. Everything that prepares it works on one block at a time, so that only the
result is in memory as a whole, in single precision.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

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

    @cached_property
    def lengths(self) -> Int[Tensor, " n"]:
        """Real steps of each sequence."""
        return self.sequences.lengths[self.rows]

    @property
    def y(self) -> Int[Tensor, " n"]:
        """Class of each sequence."""
        return self.sequences.y[self.rows]

    @property
    def ids(self) -> Int[Tensor, " n"]:
        """Row of each sequence in its source."""
        return self.sequences.ids[self.rows]

    def blocks(self) -> Iterator[Sequences]:
        """Yield the sequences in order, some at a time, with x in double precision.

        They are padded to the longest of them, so that nothing depends on sequences of other sets.
        A block may share memory with the set, so it must not be changed.
        """
        num_steps = int(self.lengths.max())
        num_values = num_steps * self.num_features
        for rows in torch.split(self.rows, max(1, BLOCK_VALUES // num_values)):
            block = self._block(rows)
            step_y = None if block.step_y is None else block.step_y[:, :num_steps]
            yield replace(block, x=block.x[:, :num_steps].double(), step_y=step_y)

    def _block(self, rows: Int[Tensor, " m"]) -> Sequences:
        """Return the sequences of some rows, without a copy if they are consecutive."""
        first, last = int(rows[0]), int(rows[-1])
        if last - first != len(rows) - 1 or not bool((rows.diff() == 1).all()):
            return self.sequences.take(rows)
        whole, these = self.sequences, slice(first, last + 1)
        x, lengths, y, ids = (tensor[these] for tensor in whole.tensors())
        step_y = None if whole.step_y is None else whole.step_y[these]
        return Sequences(x=x, lengths=lengths, y=y, ids=ids, step_y=step_y)


def joined(blocks: Iterator[Sequences], *, num_sequences: int) -> Sequences:
    """Return the sequences of all blocks, with x in single precision.

    blocks: at least one; all are padded to the same number of steps.
    num_sequences: of all blocks together (n). With it, each tensor is allocated once.
    """
    tensors: list[Tensor] = []
    first_row = 0
    for block in blocks:
        if not tensors:
            rows = (num_sequences,)
            tensors = [
                torch.empty(*rows, *block.x.shape[1:]),
                *(part.new_empty(rows) for part in block.tensors()[1:]),
            ]
        last_row = first_row + len(block)
        for whole, part in zip(tensors, block.tensors(), strict=True):
            whole[first_row:last_row] = part
        first_row = last_row
    assert first_row == num_sequences
    x, lengths, y, ids = tensors
    return Sequences(x=x, lengths=lengths, y=y, ids=ids)

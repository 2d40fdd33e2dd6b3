"""An in-memory loader: a batch is an index into tensors."""

import math
from collections.abc import Iterator

import torch

from unrolled.contracts import Batch, Sequences
from unrolled.seeding import mix


class Batches:
    """Batches of a set of sequences, in an order that is a function of (seed, epoch).

    sequences: the set, on the device on which batches are wanted.
    batch_size: sequences per batch and rank, >= 1; the last batch of an epoch may be smaller.
    shuffle: whether to shuffle; otherwise the order of the set is kept.
    seed: of the order, >= 0.
    rank, world_size: which share of the sequences this process gets. In training every rank gets
        equally many (at most world_size - 1 sequences of an epoch are left out, others in each
        epoch); without shuffling none is.

    Lightning sees a loader whose sampler is the loader itself, and tells it the epoch by
    `set_epoch`. It asks for an iterator early, before it tells the epoch, so the order is
    drawn when the first batch is asked for. `first_batch` is where an iteration begins: 0, or
    the next batch of an epoch that was interrupted.
    """

    def __init__(
        self,
        sequences: Sequences,
        *,
        batch_size: int,
        shuffle: bool,
        seed: int,
        rank: int,
        world_size: int,
    ) -> None:
        self.sequences = sequences
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0
        self.first_batch = 0
        self.sampler = self if shuffle else None
        self.batch_sampler = None

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next iteration (epoch >= 0)."""
        self.epoch = epoch

    @property
    def num_sequences(self) -> int:
        """Sequences of this rank in an epoch."""
        if self.shuffle:
            return len(self.sequences) // self.world_size
        return len(range(self.rank, len(self.sequences), self.world_size))

    def __len__(self) -> int:
        return math.ceil(self.num_sequences / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        order = self.order()[self.first_batch * self.batch_size :]
        parts = self.sequences.tensors()
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            yield Batch(*(part.index_select(0, rows) for part in parts))  # x[rows], in a quarter

    def order(self) -> torch.Tensor:
        """Return the rows of this epoch and rank, in order, on the device of the sequences."""
        if self.shuffle:
            generator = torch.Generator().manual_seed(mix(self.seed, self.epoch))
            order = torch.randperm(len(self.sequences), generator=generator)
        else:
            order = torch.arange(len(self.sequences))
        return order[self.rank :: self.world_size][: self.num_sequences].to(self.sequences.x.device)

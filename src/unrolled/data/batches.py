"""An in-memory loader: a batch is an index into tensors."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from unrolled.contracts import Batch, Sequences
from unrolled.errors import ConfigError
from unrolled.seeding import mix


@dataclass(frozen=True, kw_only=True)
class Batching:
    """How prepared sequences are put into batches.

    The fields are the keys of the same names in conf/data/_module.yaml.

    batch_size: sequences in a training batch, >= 1. None: computed from the number of training
        sequences; see `small_recipe`.
    eval_batch_size: sequences in a batch of validation, test and prediction, >= 1.
    shuffle: whether the order of training changes in each epoch.
    bucket_batches: if lengths differ, the sequences of this many training batches are sorted by
        length before they are divided into batches, so that there is little padding; 1 for none.
    curriculum_epochs: epochs that begin with the short sequences, >= 0; see `Batches`.
    drop_last: whether an epoch of training leaves out the sequences that do not fill a batch.
    device_share: a set is kept on the GPU if it takes at most this share of the free memory there,
        0 <= device_share <= 1; otherwise its batches are copied one by one.

    Raises:
        ConfigError: a batch size is smaller than 1.
    """

    batch_size: int | None
    eval_batch_size: int
    shuffle: bool
    bucket_batches: int
    curriculum_epochs: int
    drop_last: bool
    device_share: float

    def __post_init__(self) -> None:
        for name in ("batch_size", "eval_batch_size"):
            if (size := getattr(self, name)) is not None and size < 1:
                raise ConfigError(f"data.{name}={size}: need at least 1")


class Batches:
    """Batches of a set of sequences, in an order that is a function of (seed, epoch).

    sequences: the set, on the device on which batches are wanted.
    batch_size: sequences per batch and rank, >= 1; the last batch of an epoch may be smaller.
    drop_last: whether to leave out the sequences that do not fill a batch. If there are fewer than
        batch_size, the batch has all of them. Shuffling leaves out others in each epoch, at random:
        they are left out before sequences are sorted by length.
    shuffle: whether to shuffle; otherwise the order of the set is kept.
    bucket_batches: where lengths differ, the shuffled sequences of so many batches are sorted by
        length, cut into batches, and the batches shuffled; >= 1, where 1 sorts nothing. The last
        batch, which may be smaller, stays last.
    curriculum_epochs: number of epochs that begin with the short sequences, >= 0. Epoch e of N
        uses only sequences of at most shortest (longest / shortest)^(e / N) steps, and repeats
        them until the epoch is full. 0 uses all sequences in every epoch.
    seed: of the order, >= 0.
    redraw: returns the set of an epoch >= 1, with as many sequences of the same lengths, or None if
        every epoch uses the same set.
    rank, world_size: which share of the sequences this process gets. The ranks divide each batch of
        world_size * batch_size sequences of the order that a single process would have. In
        training, the last of these batches is left out if it is too small for a sequence per rank.

    Lightning sees a loader whose sampler is the loader itself, and calls its `set_epoch`. It
    creates an iterator before it sets the epoch, so the order is drawn with the first batch.
    `first_batch` is the batch at which an iteration starts: 0, or the next batch of an
    interrupted epoch.
    """

    def __init__(
        self,
        sequences: Sequences,
        *,
        batch_size: int,
        drop_last: bool,
        shuffle: bool,
        bucket_batches: int,
        curriculum_epochs: int,
        seed: int,
        redraw: Callable[[int], Sequences] | None,
        rank: int,
        world_size: int,
    ) -> None:
        self.sequences = sequences
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.shuffle = shuffle
        self.bucket_batches = bucket_batches
        self.curriculum_epochs = curriculum_epochs
        self.seed = seed
        self.redraw = redraw
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0
        self.first_batch = 0
        self.newest_shape: tuple[int, int, int] | None = None  # of a batch, while it is used
        self.lengths = sequences.lengths.cpu()  # on the host: no synchronization
        self.is_ragged = bool((self.lengths != sequences.x.shape[1]).any())
        if shuffle and curriculum_epochs and self.lengths.min() == self.lengths.max():
            raise ConfigError(
                f"data.curriculum_epochs={curriculum_epochs}: a curriculum begins with short "
                f"sequences, but all have {int(self.lengths[0])} steps; data.curriculum_epochs=0"
            )
        self.sampler = self if shuffle else None
        self.batch_sampler = None

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next iteration (epoch >= 0)."""
        self.epoch = epoch

    @property
    def num_sequences(self) -> int:
        """Sequences of this rank in an epoch."""
        return len(range(self.rank, self._num_in_all_ranks, self.world_size))

    @property
    def _num_in_all_ranks(self) -> int:
        """Sequences of all ranks in an epoch."""
        num, size = len(self.sequences), self.batch_size * self.world_size
        if self.drop_last and num > size:
            return num - num % size
        if self.shuffle and num > size and num % size < self.world_size:
            return num - num % size
        return num

    def num_in_batch(self, number: int) -> int:
        """Return the sequences of all ranks in a batch.

        number: of the batch in the epoch, from 0.
        """
        size = self.batch_size * self.world_size
        return min(size, self._num_in_all_ranks - number * size)

    def __len__(self) -> int:
        return math.ceil(self.num_sequences / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        on_host = self.order()[self.first_batch * self.batch_size :]
        device = self.sequences.x.device
        order = on_host.to(device)
        sequences = self.sequences
        if self.redraw is not None and self.epoch > 0:
            sequences = self.redraw(self.epoch).to(device)
        parts = sequences.tensors()
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            batch = Batch(*(part.index_select(0, rows) for part in parts))  # x[rows], in a quarter
            if self.is_ragged:  # no batch is longer than its longest sequence
                longest = self.lengths[on_host[start : start + self.batch_size]].max()
                batch = batch._replace(x=batch.x[:, : int(longest)])
            self.newest_shape = (len(rows), *batch.x.shape[1:])
            yield batch
        self.newest_shape = None

    def order(self) -> Int[Tensor, " n"]:
        """Return the rows of this epoch and rank, in order."""
        if not self.shuffle:
            return self._share(torch.arange(len(self.sequences)))
        generator = torch.Generator().manual_seed(mix(self.seed, self.epoch))
        order = torch.randperm(len(self.sequences), generator=generator)
        if self.epoch < self.curriculum_epochs:
            order = self._short_enough(order)
        order = self._share(order)
        if self.is_ragged and self.bucket_batches > 1:
            order = self._bucketed(order, generator)
        return order

    def _short_enough(self, order: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
        """Return the rows within this epoch's limit, repeated until they are as many."""
        shortest, longest = int(self.lengths.min()), int(self.lengths.max())
        limit = shortest * (longest / shortest) ** (self.epoch / self.curriculum_epochs)
        short = order[self.lengths[order] <= limit]
        return short.repeat(math.ceil(len(order) / len(short)))[: len(order)]

    def _share(self, order: Int[Tensor, " n"]) -> Int[Tensor, " n2"]:
        return order[self.rank :: self.world_size][: self.num_sequences]

    def _bucketed(self, order: Int[Tensor, " n"], generator: torch.Generator) -> Int[Tensor, " n"]:
        """Return the rows in an order that puts similar lengths into the same batch."""
        pools = torch.split(order, self.bucket_batches * self.batch_size)
        order = torch.cat([pool[self.lengths[pool].argsort(stable=True)] for pool in pools])
        num_full = len(order) // self.batch_size
        full = order[: num_full * self.batch_size].view(num_full, self.batch_size)
        shuffled = full[torch.randperm(num_full, generator=generator)].flatten()
        return torch.cat([shuffled, order[num_full * self.batch_size :]])

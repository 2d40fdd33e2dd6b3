"""Sequences that arrive in pieces, and are classified without ever being in memory as a whole.

What is held at once is bounded by the numbers below, whatever the file holds.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from unrolled.building.ensemble import average
from unrolled.building.network import Network
from unrolled.data.files.piece import Piece, Pieces, chained, joined, together
from unrolled.data.fitted import Fitted
from unrolled.data.sanity_checks import LARGEST
from unrolled.encoders.blocks.encoder import State
from unrolled.errors import DataError
from unrolled.heads.head import Memory

BLOCK_VALUES = 2**18  # of features, held until their sequences are classified together
BLOCK_SEQUENCES = 2**12
BATCH_STEPS = 2**16  # of a batch with its padding
LONG_STEPS = 2**12  # of a sequence; a longer one is read in chunks
CHUNK_STEPS = 2**10


def can_run_in_chunks(network: Network) -> bool:
    """Return whether stem and encoder read from left to right only, so that they run in chunks."""
    return network.stem.is_chunkable and network.encoder.has_steps


class Reader:
    """A network that has read part of a sequence; only states of encoder and head are kept."""

    def __init__(self, network: Network) -> None:
        self.embed = network.embed
        self.encoder = network.encoder
        self.head = network.head
        self.state: State | None = None
        self.memory: Memory | None = None

    def read(self, x: Float[Tensor, "1 t d"]) -> None:
        """Read further prepared steps."""
        hidden, self.state = self.encoder.read(self.embed(x), None, self.state)
        self.memory = self.head.fold(hidden, self.memory)

    def logits(self) -> Float[Tensor, "1 c"]:
        """Return the logits of the steps so far."""
        assert self.memory is not None
        return self.head.classify(self.memory)


class LongSequence:
    """A sequence that is classified chunk by chunk.

    networks: the one of a run, or the members of an ensemble; each `can_run_in_chunks`.
    fitted: of its run.
    temperature: of the run; see `Ensemble`.
    name: of the sequence, for messages.
    """

    def __init__(
        self,
        networks: Sequence[Network],
        fitted: Fitted,
        *,
        temperature: Tensor | None,
        name: str,
    ) -> None:
        self.readers = [Reader(network) for network in networks]
        self.fitted = fitted
        self.temperature = temperature
        self.name = name
        self.num_steps = 0
        # what the next step is filled with
        self.newest = torch.full((1, 1, 1), torch.nan, dtype=torch.float64)

    @torch.inference_mode()
    def read(self, values: npt.NDArray[np.float64]) -> None:
        """Read further steps, (t, d).

        Raises:
            DataError: a number is not finite, or the classifier cannot read so many steps.
        """
        for start in range(0, len(values), CHUNK_STEPS):
            chunk = torch.from_numpy(values[start : start + CHUNK_STEPS])[None]
            self._require_finite(chunk)
            before = self.newest.expand(1, 1, chunk.shape[2])
            filled = self.fitted.filling(torch.cat([before, chunk], dim=1))
            if self.fitted.filling.mode == "forward":
                self.newest = filled[:, -1:]
            with network_errors_as_data_errors():
                x = self.fitted.standardization(filled[:, 1:]).float()
                for reader in self.readers:
                    reader.read(x)
            self.num_steps += chunk.shape[1]

    @torch.inference_mode()
    def logits(self) -> Tensor:
        """Return the logits of the steps so far, (c,)."""
        with network_errors_as_data_errors():
            logits = torch.stack([reader.logits() for reader in self.readers])
            return average(logits, temperature=self.temperature)[0]

    def _require_finite(self, chunk: Tensor) -> None:
        wrong = ~(chunk.abs() <= LARGEST)  # NaN included
        if self.fitted.filling.mode != "refuse":
            wrong &= ~chunk.isnan()
        if bool(wrong.any()):
            _, step, feature = wrong.nonzero()[0].tolist()
            raise DataError(
                f"{self.name}, step {self.num_steps + step}, feature {feature}: "
                f"{chunk[0, step, feature].item()} is not a finite number"
            )


class LongResult(NamedTuple):
    """What is left of a long sequence: id, place in the file, first class, and logits, (c,)."""

    id: str
    row: int
    first_class: int
    logits: Tensor


class Kept(NamedTuple):
    """What is kept of sequences that arrive in pieces.

    max_length: steps that are kept of each, or None for all.
    cuts_head: whether the first steps are cut off rather than the last.
    begin_long: makes what reads a sequence that is long, given its row, or None to keep sequences
        of any length.
    """

    max_length: int | None = None
    cuts_head: bool = False
    begin_long: Callable[[int], LongSequence] | None = None

    def keeps_all_of(self, pieces: Pieces) -> bool:
        """Return whether all steps of these whole sequences are kept."""
        may_be_long = self.begin_long is not None and len(pieces)
        return self.max_length is None and not (may_be_long and pieces.lengths.max() > LONG_STEPS)


class Incoming:
    """A sequence of which pieces arrive; kept until it turns out to be long.

    name: its id.
    row: its place in the file.
    """

    def __init__(self, name: str, row: int, kept: Kept) -> None:
        self.id = name
        self.row = row
        self.num_steps = 0
        self.first_class: int | None = None
        self._kept = kept
        self._long: LongSequence | None = None
        self._parts: list[Piece] = []

    def add(self, piece: Piece) -> None:
        """Take further steps.

        Raises:
            DataError: as LongSequence.read.
        """
        max_length, cuts_head, begin_long = self._kept
        if max_length is not None and not cuts_head:
            piece = piece.steps(slice(max_length - self.num_steps))
        if not len(piece.values):
            return
        if self.num_steps == 0 and piece.classes is not None:
            self.first_class = int(piece.classes[0])
        self.num_steps += len(piece.values)
        self._parts.append(piece)
        if max_length is not None and cuts_head:
            if self.num_steps > max_length + LONG_STEPS:
                self._parts = [joined(self._parts).steps(slice(-max_length, None))]
                self.num_steps = max_length
        elif begin_long is not None and self.num_steps > LONG_STEPS:
            if self._long is None:
                self._long = begin_long(self.row)
            for part in self._parts:
                self._long.read(part.values)
            self._parts.clear()

    def whole(self) -> Pieces | LongResult:
        """Return all steps of the sequence, or what became of it if it is long."""
        if self._long is None:
            return together([joined(self._parts)])
        return LongResult(self.id, self.row, self.first_class or 0, self._long.logits())


class Held:
    """Whole sequences that are classified together.

    first_row: place of the first one in the file.
    """

    def __init__(self, first_row: int) -> None:
        self.first_row = first_row
        self.ids: list[str] = []
        self.long: list[LongResult] = []
        self.num_values = 0
        self._parts: list[Pieces] = []

    def add(self, whole: Pieces | LongResult) -> None:
        """Take the sequences that come next in the file."""
        if isinstance(whole, LongResult):
            self.ids.append(whole.id)
            self.long.append(whole)
            return
        self.ids += whole.ids
        self._parts.append(whole)
        self.num_values += whole.values.size

    @property
    def next_row(self) -> int:
        """Place in the file of the sequence that comes next."""
        return self.first_row + len(self.ids)

    @property
    def is_full(self) -> bool:
        """Whether they should be classified before further ones are taken."""
        return self.num_values >= BLOCK_VALUES or len(self.ids) >= BLOCK_SEQUENCES

    @property
    def short(self) -> Pieces | None:
        """The sequences that are not long, or None if all are."""
        return chained(self._parts) if self._parts else None

    @property
    def short_rows(self) -> npt.NDArray[np.int64]:
        """Places of the sequences in the file that are not long."""
        rows = np.arange(self.first_row, self.next_row)
        return np.setdiff1d(rows, [result.row for result in self.long], assume_unique=True)


def in_blocks(parts: Iterable[Pieces], kept: Kept) -> Iterator[Held]:
    """Yield the sequences of a file, some at a time."""
    held = Held(0)
    newest: Incoming | None = None  # further steps may follow
    for part in parts:
        start = 0
        if not part.begins:
            assert newest is not None
            newest.add(next(iter(part)))
            start = 1
        if start == len(part):
            continue
        if newest is not None:
            held.add(newest.whole())
        last = len(part) - 1
        middle = part.between(start, last)
        if kept.keeps_all_of(middle):
            held.add(middle)
        else:
            for piece in middle:
                newest = Incoming(piece.id, held.next_row, kept)
                newest.add(piece)
                held.add(newest.whole())
        if held.is_full:
            yield held
            held = Held(held.next_row)
        newest = Incoming(part.ids[last], held.next_row, kept)
        newest.add(next(iter(part.between(last, last + 1))))
    if newest is not None:
        held.add(newest.whole())
        yield held


def batch_bounds(lengths: Sequence[int], *, batch_size: int) -> Iterator[tuple[int, int]]:
    """Yield where batches of sequences begin and end whose lengths, (n,), are in rising order."""
    start = 0
    for end, length in enumerate(lengths):
        if end - start >= batch_size or (end > start and (end - start + 1) * length > BATCH_STEPS):
            yield start, end
            start = end
    if start < len(lengths):
        yield start, len(lengths)


@contextmanager
def network_errors_as_data_errors() -> Iterator[None]:
    """Turn a refusal of encoder or head (a sequence is too long for them) into one of the data.

    Raises:
        DataError: they refused.
    """
    try:
        yield
    except ValueError as error:
        raise DataError(str(error)) from error

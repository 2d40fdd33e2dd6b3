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
from unrolled.data.files.piece import Piece, joined
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


class Incoming:
    """A sequence of which pieces arrive; kept until it turns out to be long.

    There is one for each sequence of a file, so it is small.

    name: its id.
    row: its place in the file.
    """

    __slots__ = ("_kept", "_logits", "_long", "_parts", "first_class", "id", "num_steps", "row")

    def __init__(self, name: str, row: int, kept: Kept) -> None:
        self.id = name
        self.row = row
        self.num_steps = 0
        self.first_class: int | None = None
        self._kept = kept
        self._long: LongSequence | None = None
        self._logits: Tensor | None = None
        self._parts: list[Piece] = []

    def add(self, piece: Piece) -> None:
        """Take further steps.

        Raises:
            DataError: as LongSequence.read.
        """
        max_length, cuts_head, begin_long = self._kept
        if max_length is not None and not cuts_head:
            piece = piece.steps(slice(max_length - self.num_steps))
        num_steps = len(piece.values)
        if not num_steps:
            return
        if self.num_steps == 0 and piece.classes is not None:
            self.first_class = int(piece.classes[0])
        self.num_steps += num_steps
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

    def whole(self) -> Piece:
        """Return all steps of a sequence that is not long."""
        return joined(self._parts)

    def close(self) -> None:
        """Take no further steps: of a sequence that is long only the logits are left."""
        if self._long is not None:
            self._logits = self._long.logits()
            self._long = None

    def logits(self) -> Tensor:
        """Return the logits, (c,), of a sequence that is long and closed."""
        assert self._logits is not None
        return self._logits

    @property
    def is_long(self) -> bool:
        """Whether it is read chunk by chunk, so that only its logits are kept."""
        return self._long is not None or self._logits is not None

    @property
    def num_values(self) -> int:
        """Numbers that are in memory."""
        return self.num_steps * self._parts[0].values.shape[1] if self._parts else 0


def in_blocks(pieces: Iterable[Piece], kept: Kept) -> Iterator[list[Incoming]]:
    """Yield the sequences that pieces are of, some at a time."""
    block: list[Incoming] = []
    first_row = num_values = 0
    for piece in pieces:
        if piece.begins:
            if block:
                block[-1].close()
                num_values += block[-1].num_values
                if num_values >= BLOCK_VALUES or len(block) >= BLOCK_SEQUENCES:
                    yield block
                    first_row, num_values, block = first_row + len(block), 0, []
            block.append(Incoming(piece.id, first_row + len(block), kept))
        block[-1].add(piece)
    if block:
        block[-1].close()
        yield block


def batch_bounds(lengths: list[int], *, batch_size: int) -> Iterator[tuple[int, int]]:
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

"""Pieces of sequences: files are read and arrays are predicted some steps after the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

PIECES_AT_ONCE = 2**10  # of sequences that are in memory


class Piece(NamedTuple):
    """Consecutive steps of one sequence; NaN marks a missing value.

    id: name of the sequence.
    values: features, (t, d), t >= 1.
    begins: whether this is the first piece of the sequence.
    classes: number of the class of each step, (t,), or None without labels.
    """

    id: str
    values: npt.NDArray[np.float64]
    begins: bool
    classes: npt.NDArray[np.int64] | None = None

    def steps(self, which: slice) -> "Piece":
        """Return a copy of some of the steps."""
        return self._replace(
            values=self.values[which].copy(),
            classes=None if self.classes is None else self.classes[which].copy(),
        )


@dataclass(frozen=True)
class Pieces:
    """Consecutive pieces of a file, each of another sequence.

    All but the last one hold their sequence to its end.

    ids: names of the sequences, (n,).
    values: features of all pieces, one after the other, (sum of lengths, d).
    lengths: steps of each piece, >= 1, (n,).
    begins: whether the first piece is the first one of its sequence. The others always are.
    classes: number of the class of each step, (sum of lengths,), or None without labels.
    """

    ids: Sequence[str]
    values: npt.NDArray[np.float64]
    lengths: npt.NDArray[np.int64]
    begins: bool = True
    classes: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Piece]:
        bounds = pairwise([0, *self.lengths.cumsum().tolist()])
        for row, (name, (start, end)) in enumerate(zip(self.ids, bounds, strict=True)):
            classes = None if self.classes is None else self.classes[start:end]
            yield Piece(name, self.values[start:end], self.begins or row > 0, classes)

    def between(self, start: int, end: int) -> "Pieces":
        """Return the pieces from start up to end, without copies."""
        bounds = np.concatenate([[0], self.lengths.cumsum()])
        steps = slice(bounds[start], bounds[end])
        return Pieces(
            self.ids[start:end],
            self.values[steps],
            self.lengths[start:end],
            begins=self.begins or start > 0,
            classes=None if self.classes is None else self.classes[steps],
        )

    def padded(
        self, rows: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64] | None]:
        """Return features, (b, t, d), and classes, (b, t), of some pieces, with zeros at the end.

        rows: which pieces, (b,).
        """
        lengths = self.lengths[rows]
        is_real = np.arange(lengths.max()) < lengths[:, None]
        x = np.zeros((*is_real.shape, self.values.shape[1]))
        x[is_real] = steps_of_rows(self.values, self.lengths, rows)
        if self.classes is None:
            return x, None
        classes = np.zeros(is_real.shape, dtype=np.int64)
        classes[is_real] = steps_of_rows(self.classes, self.lengths, rows)
        return x, classes


def joined(pieces: Sequence[Piece]) -> Piece:
    """Return the steps of consecutive pieces of a sequence as one piece."""
    if len(pieces) == 1:
        return pieces[0]
    classes = [piece.classes for piece in pieces if piece.classes is not None]
    return pieces[0]._replace(
        values=np.concatenate([piece.values for piece in pieces]),
        classes=np.concatenate(classes) if classes else None,
    )


def together(pieces: Sequence[Piece]) -> Pieces:
    """Return pieces of different sequences in one object."""
    classes = [piece.classes for piece in pieces if piece.classes is not None]
    values = [piece.values for piece in pieces]
    return Pieces(
        [piece.id for piece in pieces],
        values[0] if len(values) == 1 else np.concatenate(values),
        np.array([*map(len, values)]),
        begins=pieces[0].begins,
        classes=np.concatenate(classes) if classes else None,
    )


def chained(parts: Sequence[Pieces]) -> Pieces:
    """Return the pieces of several objects in one, in order."""
    if len(parts) == 1:
        return parts[0]
    classes = [part.classes for part in parts if part.classes is not None]
    return Pieces(
        [name for part in parts for name in part.ids],
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.lengths for part in parts]),
        begins=parts[0].begins,
        classes=np.concatenate(classes) if classes else None,
    )


def pieces_of_arrays(arrays: Sequence[npt.NDArray[np.float64]]) -> Iterator[Pieces]:
    """Yield whole sequences, n arrays (t_i, d), under their numbers, some at a time."""
    for start in range(0, len(arrays), PIECES_AT_ONCE):
        some = arrays[start : start + PIECES_AT_ONCE]
        yield together([Piece(str(row), part, begins=True) for row, part in enumerate(some, start)])


def steps_of_rows(
    steps: npt.NDArray[Any], lengths: npt.NDArray[np.int64], rows: Sequence[int] | npt.NDArray[Any]
) -> npt.NDArray[Any]:
    """Return the steps of some sequences, one after the other.

    steps: of all sequences, one after the other, (sum of lengths, ...).
    lengths: steps of each sequence, (n,).
    rows: which sequences, in which order.
    """
    if (lengths == lengths[0]).all():
        in_sequences = steps.reshape(len(lengths), -1, *steps.shape[1:])
        return np.take(in_sequences, rows, axis=0).reshape(-1, *steps.shape[1:])
    starts = (lengths.cumsum() - lengths)[rows]
    chosen = lengths[rows]
    offsets = np.arange(chosen.sum()) - (chosen.cumsum() - chosen).repeat(chosen)
    return np.take(steps, starts.repeat(chosen) + offsets, axis=0)


class OutOfOrderError(Exception):
    """Raised if a file must be read whole; the message gives the reason."""

"""Pieces of sequences: files are read and arrays are predicted one piece after the other."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


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


def joined(pieces: Sequence[Piece]) -> Piece:
    """Return the steps of consecutive pieces of a sequence as one piece."""
    if len(pieces) == 1:
        return pieces[0]
    classes = [piece.classes for piece in pieces if piece.classes is not None]
    return pieces[0]._replace(
        values=np.concatenate([piece.values for piece in pieces]),
        classes=np.concatenate(classes) if classes else None,
    )


class OutOfOrderError(Exception):
    """Raised if a file must be read whole; the message gives the reason."""

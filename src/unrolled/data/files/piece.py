"""Pieces of sequences: files are read and arrays are predicted one piece after the other."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Piece:
    """Consecutive steps of one sequence; NaN marks a missing value.

    id: name of the sequence.
    values: features, (t, d), t >= 1.
    begins: whether this is the first piece of the sequence.
    """

    id: str
    values: npt.NDArray[np.float64]
    begins: bool


class OutOfOrderError(Exception):
    """Raised if a file must be read whole; the message gives the reason."""

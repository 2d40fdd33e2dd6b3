"""The arrays of an NPZ file next to x: lengths, labels and names."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unrolled.data.files.labels import MULTI_LABEL, ONLY_CLASSES
from unrolled.data.files.recordings import Numbered
from unrolled.data.files.tabular import plain
from unrolled.errors import DataError

NPZ_REMEDY = "write the file with np.savez(FILE, x=x, y=y, lengths=lengths)"
LONGEST = 2**62  # steps of a sequence, far more than any file has

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Names:
    """The names in a file.

    ids: of the sequences, (n,).
    labels: (n,), or None if they are not needed.
    features: (d,).
    """

    ids: Sequence[str]
    labels: list[str] | None
    features: list[str]


def names_in(
    path: Path, arrays: Arrays, *, num_sequences: int, num_features: int, labelled: bool
) -> Names:
    """Return the names in the arrays of a file. Sequences and features without names get numbers.

    Raises:
        DataError: an array has a wrong type or shape, or labels are needed and missing.
    """
    ids = _words_of(path, arrays, "ids", num_sequences)
    features = _words_of(path, arrays, "feature_names", num_features)
    return Names(
        ids=Numbered(range(num_sequences), width=1) if ids is None else ids,
        labels=_labels(path, arrays, num_sequences) if labelled else None,
        features=list(map(str, range(num_features))) if features is None else features,
    )


def lengths_in(path: Path, arrays: Arrays) -> npt.NDArray[np.int64] | None:
    """Return the array of lengths, (n,), or None if the file has none."""
    if "lengths" not in arrays:
        return None
    lengths = arrays["lengths"]
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or len(lengths) == 0:
        raise DataError(
            f"{path}: the array lengths has the type {lengths.dtype} and the shape "
            f"{lengths.shape}, need whole numbers of shape (n,)"
        )
    wrong = (lengths < 1) | (lengths > np.uint64(LONGEST))
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{path}, row {row}: the length is {lengths[row]}, need at least 1 and at most the "
            f"steps of x"
        )
    return lengths.astype(np.int64)


def _labels(path: Path, arrays: Arrays, num: int) -> list[str]:
    if "y" not in arrays:
        raise DataError(f"{path} has no array 'y' of labels, only x; {NPZ_REMEDY}")
    y = arrays["y"]
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2 and len(y) == num:
        raise DataError(
            f"{path}: the array y has the shape {y.shape}, need ({num},). For one column per "
            f"class with a single 1, save y.argmax(axis=1). {MULTI_LABEL}"
        )
    arrays = {**arrays, "y": y}
    if y.dtype.kind == "f" and np.isfinite(y).all() and (y == np.round(y)).all():
        arrays = {**arrays, "y": y.astype(np.int64)}
    elif y.dtype.kind not in "iubUS":
        raise DataError(
            f"{path}: the array y has the type {y.dtype}, need whole numbers or words. "
            f"{ONLY_CLASSES}"
        )
    labels = _words_of(path, arrays, "y", num)
    assert labels is not None
    return labels


def _words_of(path: Path, arrays: Arrays, name: str, num: int) -> list[str] | None:
    """Return an array of names as a list, or None if the file has none."""
    if name not in arrays:
        return None
    if arrays[name].shape != (num,):
        raise DataError(
            f"{path}: the array {name} has the shape {arrays[name].shape}, need ({num},)"
        )
    names, codes = np.unique(arrays[name], return_inverse=True)
    plain_names = np.array([*map(plain, names.tolist())], dtype=object)
    words: list[str] = plain_names[codes].tolist()
    return words

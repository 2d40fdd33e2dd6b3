"""Arrays of any kind as recordings, with the checks that files have."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from unrolled.data.arrays.held import Given
from unrolled.data.files.recordings import Numbered, Recordings
from unrolled.errors import DataError

Values = npt.NDArray[np.float64]


def recordings_of(given: Given, *, name: str) -> Recordings:
    """Return the recordings of arrays. A feature is named by its number.

    given: x is an array (n, t, d) or (n, t), or n sequences (t_i, d) or (t_i,): NumPy, torch, lists
        of numbers, or a DataFrame with a row per sequence. y has n labels, words or whole numbers.
    name: of the set, for messages.

    Raises:
        DataError: a shape, a length or a label is wrong. The message names the sequence.
    """
    parts = sequences_of(given.x, lengths=given.lengths, name=name)
    if given.y is None:
        raise DataError(f"{name}: the labels are missing; pass (x, y)")
    labels = names_of(given.y, num=len(parts), what="label", name=name)
    groups = None
    if given.groups is not None:
        groups = names_of(given.groups, num=len(parts), what="group", name=name)
    num_features = parts[0].shape[1]
    return Recordings(
        ids=Numbered.up_to(len(parts)),
        steps=np.concatenate(parts),
        lengths=np.array([len(part) for part in parts], dtype=np.int64),
        labels=labels,
        feature_names=[str(number) for number in range(num_features)],
        groups=groups,
        spans=None,
    )


def sequences_of(x: Any, *, lengths: Any, name: str) -> list[Values]:
    """Return each sequence as an array (t_i, d), all with the same d; see `recordings_of`.

    Raises:
        DataError: there is no sequence, or a shape or length is wrong.
    """
    array = as_numpy(x)
    if hasattr(array, "dtype") and array.dtype != object:
        if array.ndim not in (2, 3):
            raise DataError(
                f"{name}: x has shape {array.shape}; need (n, t, d), (n, t), or a list of n "
                "sequences (t, d)"
            )
        x = array
    try:
        parts = list(x)
    except TypeError:
        raise DataError(f"{name}: x is {type(x).__name__}; need sequences") from None
    if not parts:
        raise DataError(f"{name}: there is no sequence")
    parts = [_sequence(part, name=name, row=row) for row, part in enumerate(parts)]
    if lengths is not None:
        parts = _cut(parts, lengths, name=name)
    for row, part in enumerate(parts):
        if not len(part):
            raise DataError(
                f"{name}, sequence {row} has length 0; a sequence needs at least one step"
            )
        if part.shape[1] != parts[0].shape[1] or not part.shape[1]:
            raise DataError(
                f"{name}, sequence {row} has {part.shape[1]} features per step, sequence 0 has "
                f"{parts[0].shape[1]}"
            )
    return parts


def as_numpy(x: Any) -> Any:
    """Return tensors and tables as NumPy arrays, and anything else as it is."""
    if hasattr(x, "detach"):
        x = x.detach().cpu()
        return (x.float() if x.dtype.is_floating_point and x.element_size() < 4 else x).numpy()
    if hasattr(x, "to_numpy"):
        return x.to_numpy()
    return x


def names_of(values: Any, *, num: int, what: str, name: str) -> list[str]:
    """Return labels or groups as words; a whole number such as 1.0 is 1.

    num: of sequences.

    Raises:
        DataError: their number is wrong, or one is missing.
    """
    array = as_numpy(values)
    if getattr(array, "ndim", 1) != 1:
        raise DataError(
            f"{name}: the {what}s have shape {array.shape}; need one {what} per sequence"
            + ("; for one-hot labels, pass y.argmax(axis=1)" if array.ndim == 2 else "")
        )
    found = list(array)
    if len(found) != num:
        raise DataError(f"{name}: there are {num} sequences and {len(found)} {what}s")
    return [_word(value, what=what, name=name, row=row) for row, value in enumerate(found)]


def _word(value: Any, *, what: str, name: str, row: int) -> str:
    value = as_numpy(value)
    value = value.item() if hasattr(value, "item") and getattr(value, "size", 1) == 1 else value
    is_missing = value is None or value != value or str(value) in ("", "<NA>", "NaT")
    if is_missing:
        raise DataError(f"{name}, sequence {row}: the {what} is missing")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _sequence(part: Any, *, name: str, row: int) -> Values:
    """Return a sequence as a float64 array (t, d); a vector has one feature."""
    try:
        array = np.asarray(as_numpy(part))
        values = array.astype(
            np.float64, casting="unsafe" if array.dtype == object else "same_kind"
        )
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{name}, sequence {row} is not an array of numbers, (t, d) or (t,): {error}"
        ) from None
    if values.ndim == 1:
        return values[:, None]
    if values.ndim != 2:
        raise DataError(f"{name}, sequence {row} has shape {values.shape}; need (t, d) or (t,)")
    return values


def _cut(parts: Sequence[Values], lengths: Any, *, name: str) -> list[Values]:
    found = list(as_numpy(lengths))
    if len(found) != len(parts):
        raise DataError(f"{name}: there are {len(parts)} sequences and {len(found)} lengths")
    for row, (length, part) in enumerate(zip(found, parts, strict=True)):
        if length != int(length) or not 1 <= length <= len(part):
            raise DataError(
                f"{name}, sequence {row}: the length is {length}; need a whole number from 1 to "
                f"{len(part)}, the padded number of steps"
            )
    return [part[: int(length)] for part, length in zip(parts, found, strict=True)]

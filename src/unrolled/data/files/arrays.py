"""Reads NPZ files with the arrays x, y and, if sequences differ in length, lengths."""

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unrolled.data.files.paths import require_file
from unrolled.data.files.recordings import Recordings
from unrolled.data.files.tabular import LARGEST, shown
from unrolled.errors import DataError

DAMAGE = (  # what numpy and zipfile raise for damaged files
    ValueError,
    OSError,
    EOFError,
    KeyError,
    TypeError,
    MemoryError,
    OverflowError,
    RuntimeError,  # an encrypted file, or an unknown compression
    SyntaxError,
    UnicodeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
NPZ_REMEDY = "write the file with np.savez(FILE, x=x, y=y, lengths=lengths)"


def read_npz(path: Path, *, labelled: bool) -> Recordings:
    """Return the recordings of an NPZ file.

    The arrays of the file:

    x: (n, t, d) or (n, t), or (steps, d) for all sequences concatenated, with lengths.
    lengths: (n,), whole numbers >= 1. Optional if all sequences have t steps.
    y: labels, (n,), whole numbers or words.
    ids, feature_names: names, (n,) and (d,). Optional.

    No array is unpickled.

    labelled: whether y is needed.

    Raises:
        DataError: the file is missing or damaged, an array is missing, or shapes do not match.
    """
    arrays = _arrays(path)
    if "x" not in arrays:
        raise DataError(f"{path} has no array 'x', only {shown(arrays)}; {NPZ_REMEDY}")
    x = arrays["x"]
    if x.dtype.kind not in "fiub":
        raise DataError(f"{path}: the array x has the type {x.dtype}, need numbers")
    x = double_precision(x)
    lengths = lengths_of(path, arrays)
    values = _cut(path, x, lengths)
    num, num_features = len(values), values[0].shape[1]
    for row, value in enumerate(values):
        refuse_infinite(path, value, row=row, first_step=0)
    return Recordings(
        ids=words_of(path, arrays, "ids", num) or [str(row) for row in range(num)],
        values=values,
        labels=_labels(path, arrays, num) if labelled else None,
        feature_names=words_of(path, arrays, "feature_names", num_features)
        or [str(feature) for feature in range(num_features)],
        groups=None,
        starts=None,
    )


def double_precision(x: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return x as float64; numbers that are too large for float32 become infinite."""
    x = x.astype(np.float64)
    if x.size and not -LARGEST <= x.min() <= x.max() <= LARGEST:  # NaN included
        x[np.abs(x) > LARGEST] = np.inf
    return x


def refuse_infinite(
    path: Path, values: npt.NDArray[np.float64], *, row: int, first_step: int
) -> None:
    """Check that steps of a sequence, (t, d), are finite or NaN.

    row: of the sequence in x, for the message.
    first_step: position of the first of these steps in the sequence.

    Raises:
        DataError: a number is infinite. The message names row, step and feature.
    """
    if np.isinf(values).any():
        step, feature = np.argwhere(np.isinf(values))[0]
        raise DataError(
            f"{path}, row {row}, step {first_step + step}, feature {feature}: the number is "
            f"infinite or too large for float32"
        )


def _arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    with npz_errors(path), path.open("rb") as opened:
        file = np.load(opened, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise DataError(
                f"{path} is an .npy file with a single array, need an .npz file; {NPZ_REMEDY}"
            )
        return {name: file[name] for name in file.files}


@contextmanager
def npz_errors(path: Path) -> Iterator[None]:
    """Turn the errors of reading an NPZ file into DataError.

    Raises:
        DataError: the file is missing or damaged, or has an array of objects.
    """
    require_file(path)
    try:
        yield
    except DataError:
        raise
    except DAMAGE as error:
        reason = f"{error or type(error)}; the file is damaged, cut off or not an NPZ file"
        if "allow_pickle" in str(error):
            reason = (
                "it has an array of objects; store sequences of different lengths padded or "
                "concatenated, with an array lengths"
            )
        raise DataError(f"{path} cannot be read as NPZ: {reason}") from error


def lengths_of(path: Path, arrays: dict[str, npt.NDArray[Any]]) -> npt.NDArray[np.int64] | None:
    """Return the array of lengths, (n,), or None if the file has none.

    Raises:
        DataError: a length is not a whole number >= 1.
    """
    if "lengths" not in arrays:
        return None
    lengths = arrays["lengths"]
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or len(lengths) == 0:
        raise DataError(
            f"{path}: the array lengths has the type {lengths.dtype} and the shape "
            f"{lengths.shape}, need whole numbers of shape (n,)"
        )
    if lengths.min() < 1:
        row = int((lengths < 1).argmax())
        raise DataError(f"{path}, row {row}: the length is {lengths[row]}, need at least 1")
    return lengths.astype(np.int64)


def _cut(
    path: Path, x: npt.NDArray[np.float64], lengths: npt.NDArray[np.int64] | None
) -> list[npt.NDArray[np.float64]]:
    """Return one array (t_i, d) per sequence."""
    if lengths is not None and x.ndim == 2 and len(x) != len(lengths):
        if len(x) != lengths.sum():
            raise DataError(
                f"{path}: x has {len(x)} rows; need as many rows as lengths ({len(lengths)}), or "
                f"as their sum ({lengths.sum()})"
            )
        return np.split(x, lengths.cumsum()[:-1])
    if x.ndim == 2:
        x = x[:, :, None]
    if x.ndim != 3 or 0 in x.shape:
        raise DataError(
            f"{path}: x has the shape {x.shape}, need (n, t, d) or (n, t); {NPZ_REMEDY}"
        )
    if lengths is None:
        return list(x)
    if len(lengths) != len(x) or lengths.max() > x.shape[1]:
        raise DataError(
            f"{path}: {len(lengths)} lengths up to {lengths.max()} do not fit x, which has "
            f"{len(x)} sequences of {x.shape[1]} steps"
        )
    return [value[:length] for value, length in zip(x, lengths, strict=True)]


def _labels(path: Path, arrays: dict[str, npt.NDArray[Any]], num: int) -> list[str]:
    if "y" not in arrays:
        raise DataError(f"{path} has no array 'y' of labels, only {shown(arrays)}; {NPZ_REMEDY}")
    y = arrays["y"]
    if y.dtype.kind == "f" and np.isfinite(y).all() and (y == np.round(y)).all():
        arrays = {**arrays, "y": y.astype(np.int64)}
    elif y.dtype.kind not in "iubU":
        raise DataError(f"{path}: the array y has the type {y.dtype}, need whole numbers or words")
    labels = words_of(path, arrays, "y", num)
    assert labels is not None
    return labels


def words_of(
    path: Path, arrays: dict[str, npt.NDArray[Any]], name: str, num: int
) -> list[str] | None:
    """Return an array of names as a list, or None if the file has none.

    Raises:
        DataError: its shape is not (num,).
    """
    if name not in arrays:
        return None
    if arrays[name].shape != (num,):
        raise DataError(
            f"{path}: the array {name} has the shape {arrays[name].shape}, need ({num},)"
        )
    return [str(word) for word in arrays[name].tolist()]

"""NPZ files: arrays x, y and, where sequences differ in length, lengths."""

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
from unrolled.errors import DataError

DAMAGE = (  # what numpy and zipfile raise where a byte is not what it was
    ValueError,
    OSError,
    EOFError,
    KeyError,
    TypeError,
    MemoryError,
    OverflowError,
    RuntimeError,  # an encrypted file, or a way to compress that is not known
    SyntaxError,
    UnicodeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
REMEDY = "np.savez(FILE, x=x, y=y, lengths=lengths) writes one"


def read_npz(path: Path, *, labelled: bool) -> Recordings:
    """Return the recordings of an NPZ file.

    It holds x, (n, t, d) or (n, t), with lengths (n,) where they differ; or x, (steps, d), all
    sequences one after the other, with lengths. y (n,) holds the labels, numbers or words; ids
    (n,) and feature_names (d,) are optional. Nothing in it is unpickled.

    Raises:
        DataError: the file is missing or damaged, an array is missing, or shapes do not match.
    """
    arrays = _arrays(path)
    if "x" not in arrays:
        raise DataError(f"{path} has no array 'x', only {sorted(arrays)}; {REMEDY}")
    x = arrays["x"]
    if x.dtype.kind not in "fiub":
        raise DataError(f"{path}: x holds {x.dtype}, need numbers")
    x = single_precision(x)
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


def single_precision(x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return x as float32; what is too large becomes infinite."""
    with np.errstate(over="ignore"):
        return x.astype(np.float32)


def refuse_infinite(
    path: Path, values: npt.NDArray[np.float32], *, row: int, first_step: int
) -> None:
    """Refuse steps of a sequence, (t, d), in which a number is infinite.

    Raises:
        DataError: names row, step and feature.
    """
    if np.isinf(values).any():
        step, feature = np.argwhere(np.isinf(values))[0]
        raise DataError(
            f"{path}, row {row}, step {first_step + step}, feature {feature}: not a finite number "
            f"of float32"
        )


def _arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    with npz_errors(path), path.open("rb") as opened:
        file = np.load(opened, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise DataError(f"{path} holds a single array without a name (.npy); {REMEDY}")
        return {name: file[name] for name in file.files}


@contextmanager
def npz_errors(path: Path) -> Iterator[None]:
    """Say what is wrong with an NPZ file that cannot be read; nothing in it is unpickled.

    Raises:
        DataError: it is not there, is damaged, or holds objects.
    """
    require_file(path)
    try:
        yield
    except DataError:
        raise
    except DAMAGE as error:
        reason = f"{error or type(error)}; it is damaged, cut off, or no such file"
        if "allow_pickle" in str(error):
            reason = "an array of objects; ragged sequences are stored padded or one after the "
            reason += "other, with their lengths"
        raise DataError(f"{path} cannot be read as NPZ: {reason}") from error


def lengths_of(path: Path, arrays: dict[str, npt.NDArray[Any]]) -> npt.NDArray[np.int64] | None:
    """Return the array of lengths, (n,), or None where there is none.

    Raises:
        DataError: it does not hold whole numbers, all of them 1 or more.
    """
    if "lengths" not in arrays:
        return None
    lengths = arrays["lengths"]
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or len(lengths) == 0:
        raise DataError(
            f"{path}: lengths is {lengths.dtype} {lengths.shape}, need whole numbers (n,)"
        )
    if lengths.min() < 1:
        row = int((lengths < 1).argmax())
        raise DataError(f"{path}, row {row}: length {lengths[row]}; a sequence has at least 1 step")
    return lengths.astype(np.int64)


def _cut(
    path: Path, x: npt.NDArray[np.float32], lengths: npt.NDArray[np.int64] | None
) -> list[npt.NDArray[np.float32]]:
    """Return one array (t_i, d) per sequence."""
    if lengths is not None and x.ndim == 2 and len(x) != len(lengths):
        if len(x) != lengths.sum():
            raise DataError(
                f"{path}: x has {len(x)} rows, which is neither the number of lengths "
                f"({len(lengths)}) nor their sum ({lengths.sum()})"
            )
        return np.split(x, lengths.cumsum()[:-1])
    if x.ndim == 2:
        x = x[:, :, None]
    if x.ndim != 3 or 0 in x.shape:
        raise DataError(f"{path}: x has the shape {x.shape}, need (n, t, d) or (n, t); {REMEDY}")
    if lengths is None:
        return list(x)
    if len(lengths) != len(x) or lengths.max() > x.shape[1]:
        raise DataError(
            f"{path}: {len(lengths)} lengths up to {lengths.max()} do not fit x, "
            f"{len(x)} sequences of {x.shape[1]} steps"
        )
    return [value[:length] for value, length in zip(x, lengths, strict=True)]


def _labels(path: Path, arrays: dict[str, npt.NDArray[Any]], num: int) -> list[str]:
    if "y" not in arrays:
        raise DataError(f"{path} has no array 'y' of labels, only {sorted(arrays)}; {REMEDY}")
    y = arrays["y"]
    if y.dtype.kind == "f" and np.isfinite(y).all() and (y == np.round(y)).all():
        arrays = {**arrays, "y": y.astype(np.int64)}
    elif y.dtype.kind not in "iubU":
        raise DataError(f"{path}: y holds {y.dtype}, need whole numbers or words")
    labels = words_of(path, arrays, "y", num)
    assert labels is not None
    return labels


def words_of(
    path: Path, arrays: dict[str, npt.NDArray[Any]], name: str, num: int
) -> list[str] | None:
    """Return an array of names, (num,), or None where there is none.

    Raises:
        DataError: there are more or fewer.
    """
    if name not in arrays:
        return None
    if arrays[name].shape != (num,):
        raise DataError(f"{path}: {name} has the shape {arrays[name].shape}, need ({num},)")
    return [str(word) for word in arrays[name].tolist()]

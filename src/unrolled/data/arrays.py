"""NPZ files: arrays x, y and, where sequences differ in length, lengths."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unrolled.data.recordings import Recordings
from unrolled.errors import DataError

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
    with np.errstate(over="ignore"):  # is told below
        x = x.astype(np.float32)
    lengths = _lengths(path, arrays, x)
    values = _cut(path, x, lengths)
    num, num_features = len(values), values[0].shape[1]
    for row, value in enumerate(values):
        if np.isinf(value).any():
            step, feature = np.argwhere(np.isinf(value))[0]
            raise DataError(
                f"{path}, row {row}, step {step}, feature {feature}: not a finite number of float32"
            )
    return Recordings(
        ids=_words(path, arrays, "ids", num) or [str(row) for row in range(num)],
        values=values,
        labels=_labels(path, arrays, num) if labelled else None,
        feature_names=_words(path, arrays, "feature_names", num_features)
        or [str(feature) for feature in range(num_features)],
        groups=None,
        starts=None,
    )


def _arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    if not path.is_file():
        raise DataError(f"{path.absolute()}: there is no such file; data.path=FILE names another")
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, KeyError) as error:
        reason = "an array of objects" if "allow_pickle" in str(error) else error
        raise DataError(
            f"{path} cannot be read as NPZ: {reason}; ragged sequences are stored padded or one "
            f"after the other, with their lengths"
        ) from error


def _lengths(
    path: Path, arrays: dict[str, npt.NDArray[Any]], x: npt.NDArray[np.float32]
) -> npt.NDArray[np.int64] | None:
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
    labels = _words(path, arrays, "y", num)
    assert labels is not None
    return labels


def _words(
    path: Path, arrays: dict[str, npt.NDArray[Any]], name: str, num: int
) -> list[str] | None:
    if name not in arrays:
        return None
    if arrays[name].shape != (num,):
        raise DataError(f"{path}: {name} has the shape {arrays[name].shape}, need ({num},)")
    return [str(word) for word in arrays[name].tolist()]

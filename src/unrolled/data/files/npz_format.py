"""Reads NPZ and NPY files, some sequences at a time.

The arrays of a file:

x: (n, t, d) or (n, t), or (steps, d) for all sequences concatenated, with lengths.
lengths: (n,), whole numbers >= 1. Without it, a sequence ends before the steps at its end in which
    all features are NaN, which is how tslearn, aeon and sktime pad.
y: labels, (n,), whole numbers or words.
ids, feature_names: names, (n,) and (d,). Optional.

An NPY file holds x only. No array is unpickled.
"""

import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unrolled.data.files.paths import require_file
from unrolled.data.files.recordings import has_nan
from unrolled.data.files.tabular import LARGEST, plain, shown
from unrolled.errors import DataError

NUM_VALUES = 2**18  # read at once
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

Array = npt.NDArray[Any]
Values = npt.NDArray[np.float64]
Arrays = dict[str, Array]


@dataclass(frozen=True)
class ArrayPart:
    """Consecutive sequences of a file, or consecutive steps of one.

    ids: (k,).
    values: k arrays (t_i, d).
    labels: (k,), or None if they are not needed.
    feature_names: (d,).
    first_step: position of the first step of values[0] in its sequence.
    """

    ids: list[str]
    values: list[Values]
    labels: list[str] | None
    feature_names: list[str]
    first_step: int


def array_parts(path: Path, *, labelled: bool) -> Iterator[ArrayPart]:
    """Yield the sequences of an NPZ or NPY file in order.

    labelled: whether y is needed.

    Raises:
        DataError: the file is missing or damaged, an array is missing, or shapes do not match.
    """
    with npz_errors(path):
        if path.suffix.lower() == ".npy":
            if labelled:
                raise DataError(
                    f"{path} holds a single array, without labels; "
                    f"{NPZ_REMEDY}. `predict` reads .npy files"
                )
            with path.open("rb") as file:
                yield from _parts(path, file, {}, labelled=False)
            return
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            if "x" not in names:
                raise DataError(
                    f"{path} has no array 'x', only {shown(sorted(names))}; {NPZ_REMEDY}"
                )
            wanted = ("lengths", "ids", "feature_names", *(("y",) if labelled else ()))
            small = {name: _array(path, archive, name) for name in wanted if name in names}
            with archive.open("x.npy") as file:
                yield from _parts(path, file, small, labelled=labelled)
            for name in archive.namelist():
                if name.removesuffix(".npy") not in ("x", *wanted):
                    with archive.open(name) as file:
                        _drain(file)


def _parts(path: Path, file: Any, small: Arrays, *, labelled: bool) -> Iterator[ArrayPart]:
    shape, dtype, read = _opened(path, file)
    if dtype.kind not in "fiub":
        raise DataError(f"{path}: the array x has the type {dtype}, need numbers")
    lengths = _lengths_of(path, small)
    is_flat = lengths is not None and len(shape) == 2 and shape[0] != len(lengths)
    _require_shape(path, shape, lengths, is_flat=is_flat)
    num = shape[0] if lengths is None else len(lengths)
    num_steps = shape[0] if is_flat else shape[1]
    num_features = shape[-1] if len(shape) == 3 or is_flat else 1
    ids = _words_of(path, small, "ids", num) or list(map(str, range(num)))
    names = _words_of(path, small, "feature_names", num_features)
    names = names or list(map(str, range(num_features)))
    labels = _labels(path, small, num) if labelled else None

    def part(start: int, end: int, values: list[Values], first_step: int = 0) -> ArrayPart:
        some = None if labels is None else labels[start:end]
        return ArrayPart(ids[start:end], values, some, names, first_step)

    size = num_steps * num_features
    if not is_flat and (lengths is None or size <= NUM_VALUES):
        at_once = max(1, NUM_VALUES // size)
        for start in range(0, num, at_once):
            end = min(start + at_once, num)
            x = read((end - start) * size).reshape(end - start, num_steps, num_features)
            cut = lengths[start:end] if lengths is not None else _without_padding(path, x, start)
            _refuse_infinite(path, x, row=start, first_step=0)
            values = list(x)
            if cut is not None:
                values = [value[:length] for value, length in zip(x, cut, strict=True)]
            yield part(start, end, values)
    else:
        assert lengths is not None
        at_once = max(1, NUM_VALUES // num_features)
        for row, length in enumerate(lengths.tolist()):
            for step in range(0, length, at_once):
                num_read = min(at_once, length - step)
                x = read(num_read * num_features).reshape(1, num_read, num_features)
                _refuse_infinite(path, x, row=row, first_step=step)
                yield part(row, row + 1, [x[0]], step)
            for _ in range(0 if is_flat else num_steps - length):
                read(num_features)
    _drain(file)


def _opened(
    path: Path, file: Any
) -> tuple[tuple[int, ...], np.dtype[Any], Callable[[int], Values]]:
    """Return the shape and type of an array, and a function that reads its next values."""
    version = np.lib.format.read_magic(file)
    headers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in headers:
        raise ValueError(f"arrays of format version {version} are not supported")
    shape, is_fortran, dtype = headers[version](file)
    if dtype.hasobject:
        raise DataError(
            f"{path}: x is an array of objects; store sequences of different lengths padded or "
            f"concatenated, with an array lengths"
        )
    if prod(shape) < 0:
        raise ValueError(f"x has the shape {shape}")

    def take(num: int) -> Values:
        content = file.read(num * dtype.itemsize)
        if len(content) < num * dtype.itemsize:
            raise EOFError("the array x is cut off")
        return _double_precision(np.frombuffer(content, dtype=dtype))

    if not is_fortran or dtype.kind not in "fiub":
        return shape, dtype, take
    values = take(prod(shape)).reshape(shape, order="F").ravel()  # in memory as a whole
    position = 0

    def take_from_memory(num: int) -> Values:
        nonlocal position
        position += num
        return values[position - num : position]

    return shape, dtype, take_from_memory


def _double_precision(x: Array) -> Values:
    """Return x as float64; numbers that are too large for float32 become infinite."""
    x = x.astype(np.float64)
    if x.size and not -LARGEST <= x.min() <= x.max() <= LARGEST:  # NaN included
        x[np.abs(x) > LARGEST] = np.inf
    return x


def _without_padding(path: Path, x: Values, first_row: int) -> npt.NDArray[np.intp] | None:
    """Return the steps of each sequence before those of NaN at its end, or None for all.

    x: (k, t, d).
    """
    if not has_nan(x):
        return None
    there = np.asarray(~np.isnan(x).all(axis=2))  # (k, t)
    empty = ~np.asarray(there.any(axis=1))
    if empty.any():
        raise DataError(
            f"{path}, row {first_row + int(empty.argmax())}: the sequence has no values, only NaN"
        )
    lengths: npt.NDArray[np.intp] = x.shape[1] - there[:, ::-1].argmax(axis=1)
    return lengths


def _require_shape(
    path: Path, shape: tuple[int, ...], lengths: npt.NDArray[np.int64] | None, *, is_flat: bool
) -> None:
    if is_flat:
        assert lengths is not None
        if shape[0] != lengths.sum():
            raise DataError(
                f"{path}: x has {shape[0]} rows; need as many rows as lengths ({len(lengths)}), or "
                f"as their sum ({lengths.sum()})"
            )
        return
    if len(shape) not in (2, 3) or 0 in shape:
        raise DataError(f"{path}: x has the shape {shape}, need (n, t, d) or (n, t); {NPZ_REMEDY}")
    if lengths is not None and (len(lengths) != shape[0] or lengths.max() > shape[1]):
        raise DataError(
            f"{path}: {len(lengths)} lengths up to {lengths.max()} do not fit x, which has "
            f"{shape[0]} sequences of {shape[1]} steps"
        )


def _refuse_infinite(path: Path, values: Values, *, row: int, first_step: int) -> None:
    """Check that the steps of sequences, (k, t, d), are finite or NaN.

    row: of the first sequence.
    first_step: position of the first of these steps in its sequence.
    """
    if not np.isfinite(values.min()) or not np.isfinite(values.max()):
        wrong = np.argwhere(np.isinf(values))
        if len(wrong):
            sequence, step, feature = wrong[0]
            raise DataError(
                f"{path}, row {row + sequence}, step {first_step + step}, feature {feature}: the "
                f"number is infinite or too large for float32"
            )


@contextmanager
def npz_errors(path: Path) -> Iterator[None]:
    """Turn the errors of reading an NPZ file into DataError.

    Raises:
        DataError: the file is missing or damaged.
    """
    require_file(path)
    try:
        yield
    except DataError:
        raise
    except DAMAGE as error:
        raise DataError(
            f"{path} cannot be read as NPZ: {error or type(error)}; the file is damaged, cut off "
            f"or not an NPZ file"
        ) from error


def _array(path: Path, archive: zipfile.ZipFile, name: str) -> Array:
    with archive.open(f"{name}.npy") as file:
        try:
            array: Array = np.lib.format.read_array(file, allow_pickle=False)
        except ValueError as error:
            if "allow_pickle" not in str(error):
                raise
            raise DataError(
                f"{path}: {name} is an array of objects, which only pickle can read; save it with "
                f"{name}={name}.astype(str)"
            ) from error
        return array


def _drain(file: Any) -> None:
    """Read to the end, where zipfile compares the checksum."""
    while file.read(2**20):
        pass


def _lengths_of(path: Path, arrays: Arrays) -> npt.NDArray[np.int64] | None:
    """Return the array of lengths, (n,), or None if the file has none."""
    if "lengths" not in arrays:
        return None
    lengths = arrays["lengths"]
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or len(lengths) == 0:
        raise DataError(
            f"{path}: the array lengths has the type {lengths.dtype} and the shape "
            f"{lengths.shape}, need whole numbers of shape (n,)"
        )
    wrong = (lengths < 1) | (lengths > np.uint64(2**62))
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(f"{path}, row {row}: the length is {lengths[row]}, need at least 1")
    return lengths.astype(np.int64)


def _labels(path: Path, arrays: Arrays, num: int) -> list[str]:
    if "y" not in arrays:
        raise DataError(f"{path} has no array 'y' of labels, only x; {NPZ_REMEDY}")
    y = arrays["y"]
    if y.dtype.kind == "f" and np.isfinite(y).all() and (y == np.round(y)).all():
        arrays = {**arrays, "y": y.astype(np.int64)}
    elif y.dtype.kind not in "iubUS":
        raise DataError(
            f"{path}: the array y has the type {y.dtype}, need whole numbers or words; regression "
            f"is not supported"
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

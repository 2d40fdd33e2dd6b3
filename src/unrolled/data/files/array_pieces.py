"""Reads the array x of an NPZ file in pieces; the other arrays are small and read whole."""

import zipfile
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unrolled.data.files.arrays import (
    NPZ_REMEDY,
    double_precision,
    lengths_of,
    npz_errors,
    read_npz,
    refuse_infinite,
    words_of,
)
from unrolled.data.files.tabular import shown
from unrolled.errors import DataError

NUM_VALUES = 2**18  # per piece

ArrayPiece = tuple[str, npt.NDArray[np.float64], bool, list[str]]


def array_pieces(path: Path) -> Iterator[ArrayPiece]:
    """Yield the id, values (t, d), whether the sequence begins here, and the feature names.

    Raises:
        DataError: as `read_npz`, but only when the reader reaches the place.
    """
    with npz_errors(path), zipfile.ZipFile(path) as archive:
        if "x.npy" not in archive.namelist():
            found = sorted(name.removesuffix(".npy") for name in archive.namelist())
            raise DataError(f"{path} has no array 'x', only {shown(found)}; {NPZ_REMEDY}")
        with archive.open("x.npy") as file:
            shape, is_fortran, dtype = _header(file)
            small = {
                name: _small(archive, name)
                for name in ("lengths", "ids", "feature_names")
                if f"{name}.npy" in archive.namelist()
            }
            lengths = lengths_of(path, small)
            is_flat = lengths is not None and len(shape) == 2 and shape[0] != len(lengths)
            is_padded = len(shape) in (2, 3) and not is_flat and 0 not in shape
            fits = (
                lengths is None
                or (is_flat and shape[0] == lengths.sum())
                or (is_padded and shape[0] == len(lengths) and lengths.max() <= shape[1])
            )
            if is_fortran or dtype.kind not in "fiub" or not fits or not (is_flat or is_padded):
                yield from _whole(path)  # raises a precise error, or reads Fortran order
                return
            num = shape[0] if lengths is None else len(lengths)
            num_features = shape[-1] if len(shape) == 3 or is_flat else 1
            ids = words_of(path, small, "ids", num) or [str(row) for row in range(num)]
            names = words_of(path, small, "feature_names", num_features)
            names = names or [str(feature) for feature in range(num_features)]
            padded = None if is_flat else shape[1]
            for row, name in enumerate(ids):
                length = int(lengths[row]) if lengths is not None else shape[1]
                for step, values in _steps(file, dtype, length, num_features):
                    values = double_precision(values)
                    refuse_infinite(path, values, row=row, first_step=step)
                    yield name, values, step == 0, names
                _skip(file, ((padded or length) - length) * num_features * dtype.itemsize)
            _drain(file)
        for other in archive.namelist():
            if other != "x.npy":
                with archive.open(other) as file:
                    _drain(file)


def _steps(
    file: Any, dtype: np.dtype[Any], length: int, num_features: int
) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """Yield the steps of the sequence that begins here in pieces, with the position of each."""
    at_most = max(1, NUM_VALUES // num_features)
    for step in range(0, length, at_most):
        num_steps = min(at_most, length - step)
        content = _take(file, num_steps * num_features * dtype.itemsize)
        yield step, np.frombuffer(content, dtype=dtype).reshape(num_steps, num_features)


def _take(file: Any, num_bytes: int) -> bytes:
    content: bytes = file.read(num_bytes)
    if len(content) < num_bytes:
        raise EOFError("the array x is cut off")
    return content


def _skip(file: Any, num_bytes: int) -> None:
    while num_bytes:
        num_bytes -= len(_take(file, min(num_bytes, 2**20)))


def _drain(file: Any) -> None:
    """Read to the end, where zipfile compares the checksum."""
    while file.read(2**20):
        pass


def _header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"arrays of format version {version} are not supported")
    shape, is_fortran, dtype = readers[version](file)
    if prod(shape) < 0 or dtype.hasobject:
        raise ValueError("allow_pickle=False, and x holds objects")
    return shape, is_fortran, dtype


def _small(archive: zipfile.ZipFile, name: str) -> npt.NDArray[Any]:
    with archive.open(f"{name}.npy") as file:
        array: npt.NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _whole(path: Path) -> Iterator[ArrayPiece]:
    recordings = read_npz(path, labelled=False)
    for name, values in zip(recordings.ids, recordings.values, strict=True):
        yield name, values, True, list(recordings.feature_names)

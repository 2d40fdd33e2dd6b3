"""Reads the arrays of NPZ and NPY files, whole or some values at a time. Nothing is unpickled."""

import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unrolled.data.files.paths import require_file
from unrolled.data.files.tabular import LARGEST
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

Array = npt.NDArray[Any]
Values = npt.NDArray[np.float64]
Read = Callable[[int], Values]  # returns the next values of an array


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


def read_array(path: Path, archive: zipfile.ZipFile, name: str) -> Array:
    """Return a small array as a whole.

    Raises:
        DataError: it is an array of objects.
    """
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


def drain(file: Any) -> None:
    """Read to the end, where zipfile compares the checksum."""
    while file.read(2**20):
        pass


def open_array(path: Path, file: Any) -> tuple[tuple[int, ...], np.dtype[Any], Read]:
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

"""The idx format of MNIST: a header with the number of values, then the values.

http://yann.lecun.com/exdb/mnist/, "the IDX file format"; only unsigned bytes are read.
"""

import gzip
import hashlib
import math
import struct
import zlib
from io import BufferedReader
from pathlib import Path

import numpy as np
import numpy.typing as npt

from unrolled.errors import DataError

GZIP_START = b"\x1f\x8b"
UNSIGNED_BYTE = 8
MAX_DIMENSIONS = 4
MAX_BYTES = 2**30  # of the numbers; MNIST's largest file has 47 MB
MAX_DEFLATE_RATIO = 1032  # what a byte of gzip can become at the most
CHUNK = 2**20


def read_idx(path: Path, *, sha256: str | None) -> npt.NDArray[np.uint8]:
    """Return the array of an idx file, raw or gzipped (by its first bytes, not its name).

    What the header claims is held against the size of the file before anything is allocated.

    sha256: expected SHA-256 of the decompressed file, header included, or None to take any.

    Raises:
        DataError: not an idx file of bytes, damaged, too short or too long, or another checksum.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        is_gzip = file.read(2) == GZIP_START
        file.seek(0)
        if not is_gzip:
            return _read(file, path, most=size, sha256=sha256)
        try:
            with gzip.open(file) as unpacked:
                return _read(unpacked, path, most=size * MAX_DEFLATE_RATIO, sha256=sha256)
        except (EOFError, OSError, zlib.error) as error:
            raise DataError(f"{path} is a damaged gzip file: {error}") from error


def _read(
    file: BufferedReader | gzip.GzipFile, path: Path, *, most: int, sha256: str | None
) -> npt.NDArray[np.uint8]:
    """Read an idx file; `most` bytes can be in it at the most."""
    header, shape = _read_header(file, path)
    claimed = math.prod(shape)
    claim = f"{path} claims {' x '.join(map(str, shape))} = {claimed:,} bytes"
    most = min(most - len(header), MAX_BYTES)
    if claimed > most:
        raise DataError(f"{claim}, it cannot hold more than {most:,}")
    numbers = bytearray()
    while chunk := file.read(min(CHUNK, claimed + 1 - len(numbers))):
        numbers += chunk
    if len(numbers) != claimed:
        got = "more" if len(numbers) > claimed else f"{len(numbers):,}"
        raise DataError(f"{claim}, it holds {got}")
    digest = hashlib.sha256(header)
    digest.update(numbers)
    if sha256 not in (None, digest.hexdigest()):
        raise DataError(
            f"{path} has other contents: SHA-256 {digest.hexdigest()}, expected {sha256}"
        )
    return np.frombuffer(numbers, dtype=np.uint8).reshape(shape)


def _read_header(file: BufferedReader | gzip.GzipFile, path: Path) -> tuple[bytes, tuple[int, ...]]:
    """Return the header as it is, and the shape that it claims."""
    start = file.read(4)
    if len(start) < 4 or start[:3] != bytes((0, 0, UNSIGNED_BYTE)):
        raise DataError(f"{path} is not an idx file of unsigned bytes: it starts with {start!r}")
    num_dimensions = start[3]
    if not 1 <= num_dimensions <= MAX_DIMENSIONS:
        raise DataError(
            f"{path} claims {num_dimensions} dimensions, 1 to {MAX_DIMENSIONS} are read"
        )
    sizes = file.read(4 * num_dimensions)
    if len(sizes) < 4 * num_dimensions:
        raise DataError(f"{path} claims {num_dimensions} dimensions and ends within its header")
    return start + sizes, struct.unpack(f">{num_dimensions}I", sizes)

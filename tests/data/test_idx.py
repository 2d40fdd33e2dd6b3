"""The idx reader: what is written is read back, and a file that lies is refused."""

import gzip
import hashlib
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from unrolled.data.sources.idx import read_idx
from unrolled.errors import DataError

IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def idx_bytes(array: np.ndarray, *, claimed: tuple[int, ...] | None = None) -> bytes:
    shape = claimed or array.shape
    return struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + array.tobytes()


@given(
    array=arrays(np.uint8, array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=7)),
    zipped=st.booleans(),
)
def test_what_is_written_is_read_back(tmp_path_factory, array, zipped):
    path = tmp_path_factory.mktemp("idx") / "file"
    content = idx_bytes(array)
    path.write_bytes(gzip.compress(content) if zipped else content)

    read = read_idx(path, sha256=hashlib.sha256(content).hexdigest())

    assert np.array_equal(read, array)


GOOD = idx_bytes(IMAGES)
ZIPPED = gzip.compress(GOOD, mtime=0)
BAD = {
    "an empty file": (b"", "is not an idx file"),
    "HTML": (b"<html><body>404</body></html>", "is not an idx file"),
    "floats": (b"\0\0\x0d" + GOOD[3:], "is not an idx file"),
    "no dimension": (b"\0\0\x08\0", "0 dimensions"),
    "too many dimensions": (b"\0\0\x08\x09" + bytes(36), "9 dimensions"),
    "a cut header": (GOOD[:9], "within its header"),
    "a cut file": (GOOD[:-1], "cannot hold|holds 23"),
    "a longer file": (GOOD + b"\0", "holds more"),
    "a claim beyond the file": (idx_bytes(IMAGES, claimed=(2**32 - 1, 28, 28)), "cannot hold"),
}


@pytest.mark.parametrize("zipped", [False, True], ids=["raw", "gzipped"])
@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=list(BAD))
def test_a_file_that_is_not_what_it_claims_is_refused(content, message, zipped, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(content) if zipped else content)

    with pytest.raises(DataError, match=message) as refusal:
        read_idx(path, sha256=None)

    assert str(path) in str(refusal.value)


@pytest.mark.parametrize("content", [GOOD, ZIPPED], ids=["raw", "gzipped"])
def test_a_file_that_ends_anywhere_too_early_is_refused(content, tmp_path):
    path = tmp_path / "file"
    for end in range(len(content)):
        path.write_bytes(content[:end])

        with pytest.raises(DataError):
            read_idx(path, sha256=None)


def test_a_gzip_file_with_a_damaged_byte_is_refused_or_reads_as_it_was(tmp_path):
    path = tmp_path / "file.gz"
    num_refused = 0
    for place in range(len(ZIPPED)):
        damaged = bytearray(ZIPPED)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        try:
            assert np.array_equal(read_idx(path, sha256=None), IMAGES)
        except DataError:
            num_refused += 1
    assert num_refused >= len(ZIPPED) - 6  # gzip's header holds a time and a system


def test_other_contents_are_refused_with_both_checksums(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(GOOD)

    with pytest.raises(DataError, match=f"{hashlib.sha256(GOOD).hexdigest()}, expected 00"):
        read_idx(path, sha256="00" * 32)


def peak_bytes(path: Path) -> int:
    tracemalloc.start()
    with pytest.raises(DataError):
        read_idx(path, sha256=None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("zipped", [False, True], ids=["raw", "gzipped"])
@pytest.mark.parametrize("num_images", [1_000_000, 4_000_000_000])
def test_a_claim_allocates_nothing(num_images, zipped, tmp_path):
    path = tmp_path / "file"
    content = idx_bytes(IMAGES, claimed=(num_images, 28, 28))
    path.write_bytes(gzip.compress(content) if zipped else content)

    assert peak_bytes(path) < 2**20


def test_a_bomb_that_claims_what_it_holds_is_refused_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr("unrolled.data.sources.idx.MAX_BYTES", 2**20)
    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(idx_bytes(np.zeros(2**22, dtype=np.uint8))))

    assert peak_bytes(path) < 2**20


@pytest.mark.acceptance("A30")
def test_a_bomb_is_read_no_further_than_it_claims(tmp_path):
    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(idx_bytes(IMAGES) + bytes(2**26)))

    assert peak_bytes(path) < 2**22

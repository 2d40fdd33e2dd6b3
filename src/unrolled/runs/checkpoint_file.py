"""Checkpoint files: tensors and plain values with a checksum of every byte, written durably.

A file is what torch.save writes, an uncompressed zip archive, whose comment is the SHA-256 of
all before it; `torch.load(path, weights_only=True)` reads it like any other.
"""

import errno
import hashlib
import io
from pathlib import Path
from typing import Any

from unrolled.errors import CheckpointError
from unrolled.runs.durable import write_atomically

DIGEST_SIZE = 64  # hexadecimal digits


def save(path: Path, checkpoint: dict[str, Any]) -> None:
    """Write the checkpoint; whatever happens, path holds the old one or the new one, whole.

    Raises:
        StorageError: it cannot be written, or does not read back as it was written.
    """
    import torch

    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    content = bytearray(buffer.getbuffer())
    content[-2:] = DIGEST_SIZE.to_bytes(2, "little")  # the archive ends with its comment's length
    content += hashlib.sha256(content).hexdigest().encode()

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            file.write(content)
        if temporary.read_bytes() != content:
            raise OSError(errno.EIO, "it does not read back as it was written")

    write_atomically(path, write, durable=True, needed=len(content))


def load(path: Path) -> dict[str, Any]:
    """Return a checkpoint's plain values and tensors, on the CPU.

    Raises:
        CheckpointError: it is missing or damaged; a damaged one is never unpacked.
    """
    import torch

    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist: no epoch was completed") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    if reason := _damage(content):
        raise CheckpointError(f"{path} is damaged: {reason}")
    try:
        checkpoint: dict[str, Any] = torch.load(
            io.BytesIO(content), map_location="cpu", weights_only=True
        )
    except Exception as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    return checkpoint


def _damage(content: bytes) -> str | None:
    """Return what is wrong with the bytes of a file, None if nothing is."""
    if not content:
        return "it is empty"
    if not content.startswith(b"PK"):
        return "it is not a checkpoint"
    digest = hashlib.sha256(content[:-DIGEST_SIZE]).hexdigest()
    if content[-DIGEST_SIZE:] != digest.encode():
        return "its checksum does not match its content"
    return None

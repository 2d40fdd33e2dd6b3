"""Checkpoint files: tensors and plain values with a checksum, written durably.

A file is the uncompressed zip archive of torch.save. The comment of the archive is the SHA-256 of
all bytes before it. You can read a file with `torch.load(path, weights_only=True)`.
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
    """Write the checkpoint. If the process is killed, path holds the old or the new one, complete.

    Raises:
        StorageError: the file cannot be written, or its content differs when it is read back.
    """
    import torch

    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    content = bytearray(buffer.getbuffer())
    content[-2:] = DIGEST_SIZE.to_bytes(2, "little")  # length of the comment
    content += hashlib.sha256(content).hexdigest().encode()

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            file.write(content)
        if temporary.read_bytes() != content:
            raise OSError(errno.EIO, "its content differs when it is read back")

    write_atomically(path, write, durable=True, needed=len(content))


def load(path: Path) -> dict[str, Any]:
    """Return the plain values and tensors of a checkpoint, on the CPU.

    Raises:
        CheckpointError: the file is missing or damaged. A damaged file is not unpacked.
    """
    import torch

    if path.exists() and not path.is_file():
        raise CheckpointError(f"{path} is not a file")
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist: no epoch was finished") from error
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
    """Return how the bytes of a file are damaged, None if they are not."""
    if not content:
        return "it is empty"
    if not content.startswith(b"PK"):
        return "it is not a checkpoint"
    digest = hashlib.sha256(content[:-DIGEST_SIZE]).hexdigest()
    if content[-DIGEST_SIZE:] != digest.encode():
        return "its checksum does not match its content"
    return None

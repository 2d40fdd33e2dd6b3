"""Files that are there whole or not at all: written beside their name, synced, then renamed."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from unrolled.errors import StorageError

STORAGE_ERRORS = (
    errno.EACCES,
    errno.EDQUOT,
    errno.EIO,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
)


@contextmanager
def naming_storage() -> Iterator[None]:
    """Turn what the system says of a full disk or a forbidden folder into an error of ours.

    Raises:
        StorageError: it said so.
    """
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        if isinstance(error.__context__, StorageError):  # raised while the first was handled
            raise error.__context__ from None
        if error.errno not in STORAGE_ERRORS:
            raise
        raise StorageError(f"{error.filename or 'a log file'}: {error.strerror}") from error


def write_atomically(
    path: Path, write: Callable[[Path], None], *, durable: bool, needed: int = 0
) -> None:
    """Call write with a temporary name beside path, then rename: readers see all or nothing.

    durable: whether to wait until it is on the disk, some milliseconds.
    needed: bytes that are to be written, for the message; 0 if they are few.

    Raises:
        StorageError: the disk is full, or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(temporary)
            if durable:
                sync(temporary)
            temporary.replace(path)
            if durable:
                sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(_explain(path, error, needed)) from error


def write_text(path: Path, text: str, *, durable: bool) -> None:
    """Write a text file as `write_atomically` does.

    Raises:
        StorageError: the disk is full, or the folder cannot be written.
    """

    def write(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8")

    write_atomically(path, write, durable=durable)


def sweep_temporaries(folder: Path) -> None:
    """Remove what killed processes left half written, in the folder and its subfolders."""
    for path in folder.rglob(".*.tmp"):
        path.unlink(missing_ok=True)


def require_space(folder: Path, *, needed: int) -> None:
    """Refuse to start what the disk has no room for.

    needed: bytes, >= 0.

    Raises:
        StorageError: less is free.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StorageError(
            f"{folder}: the checkpoints need {needed:,} bytes, {free:,} are free; "
            "make room, or choose another place with hydra.run.dir=DIR"
        )


def _explain(path: Path, error: OSError, needed: int) -> str:
    parent = next((p for p in path.parents if p.is_dir()), Path("/"))
    free = shutil.disk_usage(parent).free
    size = f"{needed:,} bytes needed, " if needed else ""
    return f"{path} cannot be written: {error.strerror} ({size}{free:,} bytes free)"


def sync(path: Path) -> None:
    """Wait until a file, or what a folder lists, is on the disk."""
    if os.name == "nt":
        return  # no folder can be opened there, and no file to read only be synced
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

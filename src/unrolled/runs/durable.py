"""Atomic writes: a file is written under a temporary name, synced, then renamed."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from unrolled.errors import StorageError

PRIVATE = 0o600  # mode of a file that other users can neither read nor write

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
    """Turn an OSError about storage into a StorageError that names the file.

    Raises:
        StorageError: the disk is full, or a file or folder cannot be written.
    """
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        if isinstance(error.__context__, StorageError):  # raised while a StorageError was handled
            raise error.__context__ from None
        if error.errno not in STORAGE_ERRORS:
            raise
        raise StorageError(f"{error.filename or 'a log file'}: {error.strerror}") from error


def write_atomically(
    path: Path, write: Callable[[Path], None], *, durable: bool, needed: int = 0
) -> None:
    """Write to a temporary file in the same folder, then rename it to path.

    write: writes the content to the path that it is given.
    durable: whether to wait until the file is on the disk, which takes some milliseconds.
    needed: bytes to write, for the error message; 0 if they are few.

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
    """Write a text file with `write_atomically`. Other users cannot read it.

    Raises:
        StorageError: the disk is full, or the folder cannot be written.
    """
    write_bytes(path, text.encode("utf-8"), durable=durable)


def write_bytes(path: Path, content: bytes, *, durable: bool) -> None:
    """Write a file with `write_atomically`. Other users cannot read it.

    Raises:
        StorageError: the disk is full, or the folder cannot be written.
    """

    def write(temporary: Path) -> None:
        temporary.touch(mode=PRIVATE)
        temporary.write_bytes(content)

    write_atomically(path, write, durable=durable)


@contextmanager
def private_files(folder: Path) -> Iterator[None]:
    """Hide the files of a folder, and all files that this process makes, from other users."""
    for path in (*folder.glob("*"), *folder.glob(".hydra/*")):
        if path.is_file() and not path.is_symlink():
            with suppress(PermissionError):  # the file of another user
                path.chmod(PRIVATE)
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def sweep_temporaries(folder: Path) -> None:
    """Remove the temporary files of killed processes, in the folder and its subfolders."""
    for path in folder.rglob(".*.tmp"):
        path.unlink(missing_ok=True)


def require_space(folder: Path, *, needed: int) -> None:
    """Check the free space on the disk of a folder.

    needed: bytes, >= 0.

    Raises:
        StorageError: less than `needed` is free.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StorageError(
            f"{folder}: the checkpoints need {needed:,} bytes, {free:,} are free; "
            "free some space, or choose another disk with hydra.run.dir=DIR"
        )


def _explain(path: Path, error: OSError, needed: int) -> str:
    parent = next((p for p in path.parents if p.is_dir()), Path("/"))
    free = shutil.disk_usage(parent).free
    size = f"{needed:,} bytes needed, " if needed else ""
    return f"{path} cannot be written: {error.strerror} ({size}{free:,} bytes free)"


def sync(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

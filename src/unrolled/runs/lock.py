"""A lock, so that only one process at a time works on a run folder."""

import fcntl
import json
import os
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from unrolled.errors import CheckpointError, StorageError
from unrolled.runs.durable import private_files, sweep_temporaries

# Files that are written or removed in place. All others are renamed to their name when complete.
IN_PLACE = (".lock", "train.log", "output.log", "manifest.json")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a run folder, which must exist, and remove the temporary files of killed processes.

    While it is locked, all files that this process makes are private.

    The operating system releases the lock when the process ends, so a lock is never stale.

    Raises:
        CheckpointError: another process holds the lock; names its host and process id. Or a log
            is a link, a pipe or a folder.
        StorageError: the folder cannot be written.
    """
    _require_ordinary(folder)
    with _opened(folder) as file, private_files(folder):
        sweep_temporaries(folder)
        yield
        file.truncate(0)


def _require_ordinary(folder: Path) -> None:
    """Refuse a link, which would be written through, a pipe, which would block, or a folder."""
    for path in (folder / name for name in IN_PLACE):
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise CheckpointError(f"{path} is not an ordinary file; move it away")


def _opened(folder: Path) -> IO[str]:
    """Return the lock file, locked by this process and with its id."""
    try:
        file = (folder / ".lock").open("a+", encoding="utf-8")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.truncate(0)
        json.dump({"pid": os.getpid(), "host": platform.node()}, file)
        file.flush()
    except BlockingIOError as error:
        with file:
            file.seek(0)
            holder = _holder(file.read())
        raise CheckpointError(
            f"{folder} is in use by {holder}; wait until it ends, or end it"
        ) from error
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error.strerror}") from error
    return file


def _holder(text: str) -> str:
    """Return the process that a lock file names, in words."""
    try:
        holder = json.loads(text)
        host = re.sub(r"[^\w.-]", "?", str(holder["host"]))
        return f"process {int(holder['pid'])} on {host[:80]}"
    except (ValueError, TypeError, KeyError):
        return "another process"

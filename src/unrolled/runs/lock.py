"""A lock, so that only one process at a time works on a run folder."""

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from unrolled.errors import CheckpointError, StorageError
from unrolled.runs.durable import sweep_temporaries

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a run folder, which must exist, and remove the temporary files of killed processes.

    The operating system releases the lock when the process ends, so a lock is never stale.

    Raises:
        CheckpointError: another process holds the lock; names its host and process id.
        StorageError: the folder cannot be written.
    """
    if is_helper():
        yield
        return
    with _opened(folder) as file:
        sweep_temporaries(folder)
        yield
        file.truncate(0)


def is_helper() -> bool:
    """Return whether this is a further process of a distributed run (rank > 0)."""
    ranks = (os.environ.get(name, "0") for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))
    return any(rank not in ("", "0") for rank in ranks)


def _opened(folder: Path) -> IO[str]:
    """Return the lock file, locked by this process and with its id."""
    try:
        file = (folder / ".lock").open("a+", encoding="utf-8")
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.truncate(0)
        json.dump({"pid": os.getpid(), "host": platform.node()}, file)
        file.flush()
    except BlockingIOError as error:
        file.seek(0)
        text = file.read()
        holder = json.loads(text) if text else {"pid": "?", "host": "?"}
        raise CheckpointError(
            f"{folder} is in use by process {holder['pid']} on {holder['host']}; "
            "wait until it ends, or end it"
        ) from error
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error.strerror}") from error
    return file

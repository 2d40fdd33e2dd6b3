"""Memory that a computation needs: refused in advance where it is known, named where it was not."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unrolled.errors import OutOfMemoryError

MEMINFO = Path("/proc/meminfo")  # Linux
CGROUP = Path("/sys/fs/cgroup")  # of a container

# Messages of torch's RuntimeError if memory is full, or a size is beyond any memory.
FULL = re.compile(
    r"can't allocate memory|DefaultCPUAllocator|not enough memory|out of memory|ALLOC_FAILED|"
    r"bad_alloc|[Ss]torage size calculation overflowed|numel: integer multiplication overflow",
)
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error of Python, numpy, torch or the system means that memory is full."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, ImportError):  # of a shared library, for which no memory is left
        return "failed to map segment" in f"{error} {error.__cause__}"
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and FULL.search(str(error)) is not None
    )


def available_bytes() -> int | None:
    """Return the memory that this process can still use, or None if the system does not tell."""
    try:
        found = re.search(r"MemAvailable:\s*(\d+) kB", MEMINFO.read_text("ascii"))
    except OSError:
        return None
    if found is None:
        return None
    available = 1024 * int(found[1])
    try:
        limit = (CGROUP / "memory.max").read_text("ascii").strip()
        used = int((CGROUP / "memory.current").read_text("ascii"))
    except (OSError, ValueError):
        return available
    return min(available, max(int(limit) - used, 0)) if limit.isdecimal() else available


def require_memory(num_bytes: int, *, what: str, remedy: str) -> None:
    """Refuse what cannot fit into the memory of this machine.

    num_bytes: that it needs at least.
    what: for the message, for example "1,000 sequences of 5 steps x 3 features".
    remedy: what to type instead.

    Raises:
        OutOfMemoryError: less is available.
    """
    available = available_bytes()
    if available is not None and num_bytes > available:
        raise OutOfMemoryError(
            f"out of memory: {what} need at least {as_text(num_bytes)}, and {as_text(available)} "
            f"are available; {remedy}"
        )


@contextmanager
def memory_for(what: str, *, remedy: str) -> Iterator[None]:
    """Name what does not fit into memory.

    what, remedy: as for `require_memory`.

    Raises:
        OutOfMemoryError: memory is full.
    """
    try:
        yield
    except OutOfMemoryError:
        raise
    except (RuntimeError, MemoryError, OSError) as error:
        if not is_out_of_memory(error):
            raise
        raise out_of_memory(error, what=what, remedy=remedy) from error


def out_of_memory(error: BaseException, *, what: str, remedy: str) -> OutOfMemoryError:
    """Return an error of ours for one of a library."""
    text = " ".join(str(error).split()) or "no more memory"
    if tried := re.search(r"tried to allocate (\d+) bytes", text):
        text = f"tried to allocate {as_text(int(tried[1]))}"
    return OutOfMemoryError(f"out of memory: {what} ({text[:300]}); {remedy}")


def as_text(num_bytes: int) -> str:
    """Return a size for a message, for example 3.2 GiB."""
    size, unit = float(num_bytes), 0
    while size >= 1024 and unit < len(UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:,.0f} {UNITS[unit]}" if unit == 0 else f"{size:,.1f} {UNITS[unit]}"

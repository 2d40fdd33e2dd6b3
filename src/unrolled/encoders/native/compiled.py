"""Compiles a source for this CPU at its first use, and keeps it in the user's cache folder.

The folder belongs to the user, and nobody else can write to it. The name of a file depends on the
source and `loops.h`, the compiler and the CPU. A file gets its name when it is complete.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import torch

from unrolled.encoders.native.library import Library

FOLDER = Path(__file__).parent
OPTIONS = ("-std=c++17", "-O2", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC")
COMPILERS = ("c++", "g++", "clang++")
TIMEOUT = 300.0  # seconds; on a quiet machine it takes 2


class UnavailableError(Exception):
    """The library cannot be compiled or loaded; the message has the reason."""


@cache
def cpu_flags() -> frozenset[str]:
    """Return the instruction sets of this CPU as Linux names them, for example avx2 and fma."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(("flags", "Features")):
                return frozenset(line.split(":", 1)[1].split())
    return frozenset()


@cache
def library(dtype: torch.dtype, source: str) -> Library:
    """Return the functions of a source for torch.float32 or torch.float64.

    source: cells, lem_slstm or scans.

    Raises:
        UnavailableError: there is no compiler, it failed, or the cache folder is not safe to use.
    """
    try:
        return Library(_compiled(dtype, source), source)
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", None) or str(error)
        raise UnavailableError(reason.strip().splitlines()[0]) from error


def cache_folder() -> Path:
    """Return the folder of compiled files, which may not exist yet."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "unrolled" / "native"


def _compiled(dtype: torch.dtype, source: str) -> Path:
    if sys.platform != "linux":
        raise UnavailableError(f"it is only built on Linux, not on {sys.platform}")
    compiler = os.environ.get("CXX") or next(filter(shutil.which, COMPILERS), None)
    if compiler is None:
        raise UnavailableError("there is no C++ compiler (g++ or clang++)")
    options = [*OPTIONS, *(["-DDOUBLE"] if dtype == torch.float64 else [])]
    version = _run([compiler, "--version"])
    made_from = [version, *options, platform.machine(), *sorted(cpu_flags())]
    files = FOLDER / f"{source}.cpp", FOLDER / "loops.h"
    texts = b"\0".join(file.read_bytes() for file in files)
    digest = hashlib.sha256("\0".join(made_from).encode() + texts).hexdigest()
    folder = cache_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{source}-{digest[:24]}.so"
    _require_own(folder)
    with _lock(folder / "lock"):
        if not path.exists():
            partial = folder / f"{path.stem}.{os.getpid()}.partial"
            try:
                _run([compiler, *options, str(files[0]), "-o", str(partial)])
                partial.chmod(0o700)
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)
    _require_own(path)
    return path


def _run(command: list[str]) -> str:
    done = subprocess.run(  # noqa: S603 - the user's compiler
        command, capture_output=True, text=True, timeout=TIMEOUT, check=True
    )
    return done.stdout


def _require_own(path: Path) -> None:
    status = path.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise UnavailableError(f"{path} belongs to another user, or others can write to it")


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold a lock that ends with the process, so that one process compiles and others wait."""
    import fcntl

    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

"""Provenance of a run: versions, commit and uncommitted changes, hardware and command."""

import hashlib
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from unrolled.runs.own_packages import own_packages

PACKAGES = ("torch", "lightning", "torchmetrics", "hydra-core", "omegaconf", "numpy", "unrolled")
PACKAGE = Path(__file__).parents[1]
# Files and packages whose code cannot change a score.
NOT_COMPUTING = ("cli.py", "commands", "export", "prediction", "reports", "streaming", "sweeps")


def provenance(overrides: list[str], *, with_diff: bool) -> dict[str, Any]:
    """Return the versions, code, hardware and command of this run, as plain values.

    overrides: key=value words of the command line.
    with_diff: whether to include the uncommitted changes, which may contain passwords. Their hash
        is always included.
    """
    import torch

    commit, diff = _git(PACKAGE)
    digest = None if diff is None else hashlib.sha256(diff.encode()).hexdigest()
    return {
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "working_folder": str(Path.cwd()),
        "overrides": overrides,
        "versions": {
            "python": platform.python_version(),
            **_versions(),
            "torch": str(torch.__version__),  # with its build, for example 2.13.0+cpu
        },
        "git": {"commit": commit, "diff_sha256": digest} | ({"diff": diff} if with_diff else {}),
        "source_hash": source_hash(),
        "own_packages": own_packages(),
        "hardware": {
            "host": platform.node(),
            "system": platform.platform(),
            "cpu": _cpu_name(),
            "num_cores": os.cpu_count(),
            "num_threads": torch.get_num_threads(),
            "gpus": [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())],
        },
        "environment": {
            name: os.environ[name]
            for name in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")
            if name in os.environ
        },
    }


def remember_code() -> None:
    """Read the code now, because this process and its forks do not run later edits."""
    source_hash()
    own_packages()
    _git(PACKAGE)
    _versions()


@cache
def source_hash() -> str:
    """Return a hash of the code of this package that can change a score."""
    root = PACKAGE
    digest = hashlib.sha256()
    for path in sorted([*root.rglob("*.py"), *root.rglob("*.cpp")]):
        name = path.relative_to(root)
        if name.parts[0] not in NOT_COMPUTING:
            digest.update(f"{name.as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@cache
def _git(folder: Path) -> tuple[str | None, str | None]:
    """Return the commit and the uncommitted changes of the checkout, None if there are none."""
    root = _run(["git", "rev-parse", "--show-toplevel"], folder)
    if root is None or not (Path(root) / "src" / "unrolled").is_dir():
        return None, None
    diff = _run(["git", "diff", "HEAD"], folder)
    return _run(["git", "rev-parse", "HEAD"], folder), diff or None


def _run(command: list[str], folder: Path) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed commands
            command, cwd=folder, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()

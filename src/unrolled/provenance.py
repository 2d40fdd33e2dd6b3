"""Where a run comes from: versions, commit and diff, hardware, command."""

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "lightning", "torchmetrics", "hydra-core", "omegaconf", "numpy", "unrolled")
MAX_DIFF_CHARACTERS = 1_000_000


def provenance(overrides: list[str]) -> dict[str, Any]:
    """Return plain values that say with what, on what and by what command a run was made."""
    import torch

    return {
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "overrides": overrides,
        "versions": {"python": platform.python_version(), **_versions()},
        "git": _git(Path(__file__).parent),
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
            for name in sorted(os.environ)
            if name.startswith("PL_") or name in ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
        },
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _git(folder: Path) -> dict[str, str | None]:
    """Return commit and uncommitted changes of the checkout this package runs from, if any."""
    root = _run(["git", "rev-parse", "--show-toplevel"], folder)
    if root is None or not (Path(root) / "src" / "unrolled").is_dir():
        return {"commit": None, "diff": None}
    diff = _run(["git", "diff", "HEAD"], folder)
    return {
        "commit": _run(["git", "rev-parse", "HEAD"], folder),
        "diff": diff[:MAX_DIFF_CHARACTERS] if diff else diff,
    }


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

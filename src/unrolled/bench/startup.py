"""CPU time of new processes: help, imports, loading a run, and the first training step."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from unrolled.bench.pairs import Case, row
from unrolled.bench.settings import Settings
from unrolled.bench.small_run import NUM_FEATURES, NUM_UNITS, SETTINGS, small_run

NOTHING = ["-c", "pass"]
TORCH = ["-c", "import torch"]
BARE_STEP = """
import torch
from torch import nn
lstm, linear = nn.LSTM({d}, {h}, batch_first=True), nn.Linear({h}, 4)
optimizer = torch.optim.AdamW([*lstm.parameters(), *linear.parameters()])
logits = linear(lstm(torch.randn(8, 16, {d}))[0][:, -1])
nn.functional.cross_entropy(logits, torch.zeros(8, dtype=torch.long)).backward()
optimizer.step()
"""


def startup(settings: Settings, folder: Path) -> Iterator[Case]:
    """Yield a case per kind of process."""
    small_run(folder / "run")
    bare = ["-c", BARE_STEP.format(d=NUM_FEATURES, h=NUM_UNITS)]
    new_folder = f"hydra.run.dir={folder}/runs/${{now:%f}}-${{run_id:}}"
    train = ["-m", "unrolled", "train", *SETTINGS, new_folder]
    load = ["-c", f"import unrolled; unrolled.load({str(folder / 'run')!r})"]
    for label, code, reference, its_code, repeats in (
        ("unrolled --help", ["-m", "unrolled", "--help"], "python -c pass", NOTHING, 5),
        ("import unrolled", ["-c", "import unrolled"], "python -c pass", NOTHING, 5),
        ("unrolled.load", load, "import torch", TORCH, 1),
        ("unrolled train, one step", train, "torch.nn, one step", bare, 1),
    ):
        yield Case(
            row("startup", label, reference),
            partial(_start, code),
            partial(_start, its_code),
            clock=_seconds_of_children,
            repeats=repeats,
        )


def _start(arguments: list[str]) -> None:
    """Start a new Python process, and wait for its end."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package is compiled
    subprocess.run(  # noqa: S603 - our own code
        [sys.executable, *arguments], check=True, capture_output=True, env=environment
    )


def _seconds_of_children() -> float:
    """Return user and system time of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime

"""Train, compare and use recurrent sequence classifiers with PyTorch Lightning and Hydra.

import unrolled

folder = unrolled.train(["model=gru", "seed=2"])
unrolled.load(folder).predict(x)
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unrolled.prediction.predictor import Predictor

__version__ = "0.1.0"


def train(overrides: list[str]) -> Path:
    """Train, test and record one run, as `unrolled train` does; return its folder.

    overrides: what would stand on the command line, such as ["model=gru", "seed=2"].

    Raises:
        UnrolledError: whatever keeps the run from being done.
    """
    from unrolled.commands.train import train_here

    return train_here(overrides)


def load(run: Path | str) -> "Predictor":
    """Return what a run learnt, ready to predict, on the CPU.

    run: a run folder, or "latest" for the newest under ./outputs.

    Raises:
        CheckpointError: there is no such run, or it has no checkpoint.
    """
    from unrolled.prediction.predictor import Predictor
    from unrolled.runs.run_folder import find_run

    return Predictor(find_run(str(run), root=Path("outputs")))

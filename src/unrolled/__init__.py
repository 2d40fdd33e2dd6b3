"""Train, compare and use recurrent sequence classifiers with PyTorch Lightning and Hydra.

import unrolled

folder = unrolled.train(["model=gru", "seed=2"])
unrolled.load(folder).predict(x)
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unrolled.prediction.predictor import Predictor

__version__ = "0.1.0"


def train(overrides: list[str], *, allow: Sequence[str] = ()) -> Path:
    """Train and test one run, as `unrolled train` does, and return its run folder.

    overrides: the arguments of the command line, such as ["model=gru", "seed=2"].
    allow: your own packages whose classes the config can name, such as ["my_package"].

    Raises:
        UnrolledError: the run failed. Each subclass in `unrolled.errors` is one kind of cause.
    """
    from unrolled.commands.train import train_here
    from unrolled.config.classes import allowing

    with allowing(allow):
        return train_here(overrides)


def load(run: Path | str, *, allow: Sequence[str] = ()) -> "Predictor":
    """Return a predictor with the best weights of a run, on the CPU.

    run: a run folder, or "latest" for the newest run under ./outputs.
    allow: your own packages whose classes the run's config can name.

    Raises:
        CheckpointError: there is no such run, or it has no checkpoint.
    """
    from unrolled.config.classes import allowing
    from unrolled.prediction import Predictor
    from unrolled.runs.run_folder import find_run

    folder = find_run(str(run), root=Path("outputs"))
    folder.require_best_checkpoint()
    with allowing(allow):
        return Predictor(folder)

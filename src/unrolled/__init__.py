"""Train, compare and use recurrent sequence classifiers with PyTorch Lightning and Hydra.

import unrolled

run = unrolled.train(["model=gru", "seed=2"])
unrolled.load(run).predict(x)

run = unrolled.train(["model=gru"], data=(x, y))  # your own arrays
unrolled.RecurrentClassifier().fit(x, y)  # in scikit-learn
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unrolled.api.estimator import RecurrentClassifier as RecurrentClassifier
    from unrolled.api.finished_run import FinishedRun
    from unrolled.explaining.explanation import Explanation
    from unrolled.prediction.predictor import Predictor
    from unrolled.reports.evaluation import Evaluation

__version__ = "0.1.0"

if sys.platform == "win32":  # locks, signals and sweeps need what Windows does not have
    raise ImportError("unrolled needs Linux or macOS; on Windows, install it in WSL")


def train(
    overrides: Sequence[str],
    *,
    data: Any = None,
    lengths: Any = None,
    groups: Any = None,
    val: Any = None,
    test: Any = None,
    allow: Sequence[str] = (),
) -> "FinishedRun":
    """Train and test one run, as `unrolled train` does, and return its run folder with its scores.

    overrides: the arguments of the command line, such as ["model=gru", "seed=2"].
    data: your own sequences, or None for the data that the overrides choose. (x, y), where x is an
        array (n, t, d) or (n, t) or a list of sequences (t_i, d), and y has n labels. Or a
        DataFrame in long form, with data.id=COLUMN and data.label=COLUMN in the overrides. Or a
        Dataset of pairs (sequence, label).
    lengths: real steps of each sequence of a padded array.
    groups: group of each sequence; a group stays in one set.
    val, test: validation and test set in the same forms, or None to split them off.
    allow: your own packages whose classes the config can name, such as ["my_package"].

    Raises:
        UnrolledError: the run failed. Each subclass in `unrolled.errors` is one kind of cause.
    """
    from unrolled.api import training

    return training.train(
        overrides, data=data, lengths=lengths, groups=groups, val=val, test=test, allow=allow
    )


def resume(
    run: str | os.PathLike[str],
    overrides: Sequence[str] = (),
    *,
    data: Any = None,
    lengths: Any = None,
    groups: Any = None,
    val: Any = None,
    test: Any = None,
    allow: Sequence[str] = (),
) -> "FinishedRun":
    """Continue a run in its own folder, as `unrolled resume` does.

    run: a run folder, or "latest" for the newest run under ./outputs.
    overrides: settings that can change, such as ["trainer.max_epochs=40"].
    data, lengths, groups, val, test: the arrays of a run that was trained on arrays; see `train`.
        The run folder does not have them.
    allow: your own packages whose classes the run's config can name.

    Raises:
        CheckpointError: there is no such run, it has no checkpoint, or the data is not the same.
    """
    from unrolled.api import training

    return training.resume(
        run,
        overrides,
        data=data,
        lengths=lengths,
        groups=groups,
        val=val,
        test=test,
        allow=allow,
    )


def evaluate(
    run: str | os.PathLike[str],
    *,
    data: Any,
    lengths: Any = None,
    strict: bool = False,
    allow: Sequence[str] = (),
) -> "Evaluation":
    """Return the scores of a run on new labelled arrays, as `unrolled evaluate input=FILE` does.

    The result has `accuracy`, `loss`, `f1`, `confusion`, `class_names`, `num` and `num_correct`.
    All sequences are scored, with the best weights of the run.

    run: a run folder, or "latest" for the newest run under ./outputs.
    data, lengths: sequences and labels in the forms of `train`.
    strict: whether values far outside the training range are refused.
    allow: your own packages whose classes the run's config can name.

    Raises:
        CheckpointError: there is no such run, or it has no checkpoint.
        DataError: the data does not fit the run, for example a label that the run does not know.
    """
    from unrolled.api import training

    return training.evaluate(run, data=data, lengths=lengths, strict=strict, allow=allow)


def explain(
    run: str | os.PathLike[str],
    overrides: Sequence[str] = (),
    *,
    data: Any = None,
    lengths: Any = None,
    groups: Any = None,
    val: Any = None,
    test: Any = None,
    allow: Sequence[str] = (),
) -> "Explanation":
    """Measure what the network of a run remembers, as `unrolled explain` does.

    It writes explain.json and report.html to the run folder, and prints a line per measure. The
    result has the measures, such as `gradients`, `forgetting`, `early` and `examples`.

    run: a run folder, or "latest" for the newest run under ./outputs.
    overrides: settings of the command, such as ["split=test", "num_sequences=500"].
    data, lengths, groups, val, test: the arrays of a run that was trained on arrays; see `train`.
        The run folder does not have them.
    allow: your own packages whose classes the run's config can name.

    Raises:
        CheckpointError: there is no such run, or it has no checkpoint.
        ConfigError: a setting is wrong, or data= is missing or superfluous.
        DataError: the data is not the one of the run.
    """
    from unrolled.api import training

    return training.explain(
        run,
        overrides,
        data=data,
        lengths=lengths,
        groups=groups,
        val=val,
        test=test,
        allow=allow,
    )


def load(run: str | os.PathLike[str], *, allow: Sequence[str] = ()) -> "Predictor":
    """Return a predictor with the best weights of a run, on the CPU.

    run: a run folder, or "latest" for the newest run under ./outputs.
    allow: your own packages whose classes the run's config can name.

    Raises:
        CheckpointError: there is no such run, or it has no checkpoint.
    """
    from unrolled.config.classes import allowing
    from unrolled.prediction import Predictor
    from unrolled.runs.run_folder import find_run

    folder = find_run(os.fspath(run), root=Path("outputs"))
    folder.require_best_checkpoint()
    with allowing(allow):
        return Predictor(folder)


def __getattr__(name: str) -> Any:
    """Import the estimator when it is first used, because scikit-learn takes long to import."""
    if name == "RecurrentClassifier":
        from unrolled.api.estimator import RecurrentClassifier

        return RecurrentClassifier
    raise AttributeError(f"module 'unrolled' has no attribute {name!r}")

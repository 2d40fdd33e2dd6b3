"""`unrolled predict run=DIR input=FILE output=FILE [key=value ...]`: classify sequences.

The output has a row per sequence: its id, the predicted class and the probability of each class.
Its name ends in .csv or .parquet. An existing output is kept unless you type overwrite=true.

per_step=true writes a row per step instead, with its number in the sequence, counted from 1: the
prediction for the sequence up to this step. The run must not need later steps; see docs/deploy.md.

run=latest is the newest run with a checkpoint under outputs, or under root=DIR. The input is read
in the same way as the training file of the run. Values far outside the training range, by more
than 10 times its width, are reported with a warning. strict=true refuses them (exit code 3).
"""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unrolled.commands.arguments import take_all
from unrolled.commands.new_file import NAMES, NewFile, check_new_file
from unrolled.errors import ConfigError
from unrolled.output import echo
from unrolled.runs.durable import write_atomically
from unrolled.runs.run_folder import find_run

if TYPE_CHECKING:
    from unrolled.prediction.predictor import Predictor


def run(arguments: list[str]) -> None:
    """Check the arguments, predict, and print how many sequences each class has.

    Raises:
        UnrolledError: there is no such run, the file does not fit it, or the output exists.
    """
    typed, rest = take_all(arguments, ("run", "root", "per_step", *NAMES))
    name = typed["run"]
    if rest or name is None or typed["input"] is None or typed["output"] is None:
        raise ConfigError(
            f"predict takes run=DIR (or run=latest) input=FILE output=FILE, got {arguments}"
        )
    if typed["per_step"] not in (None, "true", "false"):
        raise ConfigError(f"per_step={typed['per_step']}: need true or false")
    by_step = typed["per_step"] == "true"
    file = check_new_file(typed)
    folder = find_run(name, root=Path(typed["root"] or "outputs"))
    folder.require_best_checkpoint()
    from unrolled.prediction.predictor import Predictor

    predictor = Predictor(folder)
    counts = file.read(lambda whole: _predict(predictor, file, by_step=by_step, whole=whole))
    shares = ", ".join(f"{num} {name}" for name, num in counts.most_common())
    echo(f"{counts.total()} {'steps' if by_step else 'sequences'}: {shares}")
    echo(f"predictions: {file.output}")


def _predict(
    predictor: "Predictor", file: NewFile, *, by_step: bool, whole: bool
) -> "Counter[str]":
    """Write the predictions block by block, and return the number of rows of each class."""
    from unrolled.prediction.growing_table import growing_table

    assert file.output is not None
    counts: Counter[str] = Counter()

    def write(path: Path) -> None:
        with growing_table(path, parquet=file.is_parquet) as add:
            if by_step:
                steps = predictor.predict_steps(file.input, whole=whole, strict=file.strict)
                for ids, numbers, found in steps:
                    counts.update(found.labels)
                    numbered = np.array(numbers)
                    add({"id": ids, "step": numbered, "predicted": found.labels, **found.columns()})
                return
            blocks = predictor.predict_by_pieces(file.input, whole=whole, strict=file.strict)
            for ids, found in blocks:
                counts.update(found.labels)
                add({"id": ids, "predicted": found.labels, **found.columns()})

    write_atomically(file.output, write, durable=False)
    return counts

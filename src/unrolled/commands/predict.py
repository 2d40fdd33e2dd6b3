"""`unrolled predict run=DIR input=FILE output=FILE [overwrite=true] [strict=true]`: classify.

The output has a row per sequence: its id, the predicted class and the probability of each class.
Its name ends in .csv or .parquet. An existing output is kept unless you type overwrite=true.

run=latest is the newest run with a checkpoint under outputs, or under root=DIR. The input is read
in the same way as the training file of the run. Values far outside the training range, by more
than 10 times its width, are reported with a warning. strict=true refuses them (exit code 3).
"""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

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
    typed, rest = take_all(arguments, ("run", "root", *NAMES))
    name = typed["run"]
    if rest or name is None or typed["input"] is None or typed["output"] is None:
        raise ConfigError(
            f"predict takes run=DIR (or run=latest) input=FILE output=FILE, got {arguments}"
        )
    file = check_new_file(typed)
    folder = find_run(name, root=Path(typed["root"] or "outputs"))
    folder.require_best_checkpoint()
    from unrolled.prediction.predictor import Predictor

    predictor = Predictor(folder)
    counts = file.read(lambda whole: _predict(predictor, file, whole=whole))
    shares = ", ".join(f"{num} {name}" for name, num in counts.most_common())
    echo(f"{counts.total()} sequences: {shares}")
    echo(f"predictions: {file.output}")


def _predict(predictor: "Predictor", file: NewFile, *, whole: bool) -> "Counter[str]":
    """Write the predictions block by block, and return the number of sequences of each class."""
    from unrolled.prediction.growing_table import growing_table

    assert file.output is not None
    counts: Counter[str] = Counter()

    def write(path: Path) -> None:
        blocks = predictor.predict_by_pieces(file.input, whole=whole, strict=file.strict)
        with growing_table(path, parquet=file.is_parquet) as add:
            for ids, prediction in blocks:
                counts.update(prediction.labels)
                add({"id": ids, "predicted": prediction.labels, **prediction.columns()})

    write_atomically(file.output, write, durable=False)
    return counts

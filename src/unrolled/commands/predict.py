"""`unrolled predict run=DIR input=FILE output=FILE [overwrite=true]`: classify new sequences.

The output has a row per sequence: its id, the predicted class and the probability of each class.
Its name ends in .csv or .parquet. An existing output is kept unless you type overwrite=true.

run=latest is the newest run with a checkpoint under outputs, or under root=DIR. The input is read
in the same way as the training file of the run.
"""

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from unrolled.commands.arguments import take
from unrolled.errors import ConfigError, DataError
from unrolled.runs.durable import write_atomically
from unrolled.runs.run_folder import find_run

if TYPE_CHECKING:
    from unrolled.prediction.predictor import Predictor

FORMATS = (".csv", ".parquet")


def run(arguments: list[str]) -> None:
    """Check the arguments, predict, and print how many sequences each class has.

    Raises:
        UnrolledError: there is no such run, the file does not fit it, or the output exists.
    """
    name, rest = take(arguments, "run")
    root, rest = take(rest, "root")
    source, rest = take(rest, "input")
    target, rest = take(rest, "output")
    overwrite, rest = take(rest, "overwrite")
    if overwrite not in (None, "true", "false"):
        raise ConfigError(f"overwrite={overwrite}: need true or false")
    if rest or name is None or source is None or target is None:
        raise ConfigError(
            f"predict takes run=DIR (or run=latest) input=FILE output=FILE, got {arguments}"
        )
    output = Path(target).expanduser()
    if output.suffix.lower() not in FORMATS:
        raise ConfigError(f"output={target}: need a name that ends in {' or '.join(FORMATS)}")
    if output.resolve() == Path(source).expanduser().resolve():
        raise ConfigError(f"output={target} is the input")
    if output.is_symlink():
        raise ConfigError(
            f"output={target} is a symbolic link to {output.resolve()}; type the path of the file"
        )
    if output.exists() and overwrite != "true":
        raise ConfigError(f"output={target} exists; type overwrite=true to replace it")
    source_path = Path(source).expanduser()
    if not source_path.exists():
        raise DataError(f"input={source}: there is no such file ({source_path.absolute()})")
    folder = find_run(name, root=Path(root or "outputs"))
    folder.require_best_checkpoint()
    from unrolled.prediction.predictor import Predictor

    predictor = Predictor(folder)
    try:
        counts = _predict_in_order(predictor, source_path, output)
    except DataError as error:
        if "data." not in str(error):
            raise
        note = "a run keeps the settings data.… that it was trained with; train again to change one"
        raise DataError(f"{error}\n  ({note})") from error
    shares = ", ".join(f"{num} {name}" for name, num in counts.most_common())
    print(f"{counts.total()} sequences: {shares}")
    print(f"predictions: {output}", flush=True)


def _predict_in_order(predictor: "Predictor", source: Path, output: Path) -> "Counter[str]":
    """Predict block by block, or from the whole file if its rows are out of order."""
    from unrolled.data.files.piece import OutOfOrderError

    try:
        return _predict(predictor, source, output, whole=False)
    except OutOfOrderError as reason:
        print(f"note: {reason}; the whole file is read into memory", file=sys.stderr)
        return _predict(predictor, source, output, whole=True)


def _predict(predictor: "Predictor", source: Path, output: Path, *, whole: bool) -> "Counter[str]":
    """Write the predictions block by block, and return the number of sequences of each class."""
    from unrolled.prediction.growing_table import growing_table

    counts: Counter[str] = Counter()

    def write(path: Path) -> None:
        with growing_table(path, parquet=output.suffix.lower() == ".parquet") as add:
            for ids, prediction in predictor.predict_by_pieces(source, whole=whole):
                counts.update(prediction.labels)
                probabilities = {
                    f"p_{name}": prediction.probabilities[:, number]
                    for number, name in enumerate(prediction.class_names)
                }
                add({"id": ids, "predicted": prediction.labels, **probabilities})

    write_atomically(output, write, durable=False)
    return counts

"""`unrolled predict run=DIR input=FILE output=FILE`: a row per sequence, with its classes' odds.

run=latest is the newest run with a checkpoint under outputs, or under root=DIR; the input is read
as the run's training file was; the output ends in .csv or .parquet.
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
    """Predict; the file is read as the run's training file was.

    Raises:
        UnrolledError: no such run, or a file that does not fit it.
    """
    name, rest = take(arguments, "run")
    root, rest = take(rest, "root")
    source, rest = take(rest, "input")
    target, rest = take(rest, "output")
    if rest or name is None or source is None or target is None:
        raise ConfigError(
            f"predict takes run=DIR (or run=latest) input=FILE output=FILE, got {arguments}"
        )
    output = Path(target).expanduser()
    if output.suffix.lower() not in FORMATS:
        raise ConfigError(f"output={target}: need a name that ends in {' or '.join(FORMATS)}")
    if output.resolve() == Path(source).expanduser().resolve():
        raise ConfigError(f"output={target} is the input")
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
    """Predict piece by piece, or from the whole file if its rows are out of order."""
    from unrolled.data.files.streaming import OutOfOrderError

    try:
        return _predict(predictor, source, output, whole=False)
    except OutOfOrderError as reason:
        print(f"note: {reason}; the file is read into memory as a whole", file=sys.stderr)
        return _predict(predictor, source, output, whole=True)


def _predict(predictor: "Predictor", source: Path, output: Path, *, whole: bool) -> "Counter[str]":
    """Write predictions as they come, and return how many there are of each class."""
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

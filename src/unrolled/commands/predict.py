"""`unrolled predict run=DIR input=FILE output=FILE [key=value ...]`: classify sequences.

The output has a row per sequence: its id, the predicted class and the probability of each class.
Its name ends in .csv or .parquet. An existing output is kept unless you type overwrite=true.

run=latest is the newest run with a checkpoint under outputs, or under root=DIR. The input is read
in the same way as the training file of the run. Values far outside the training range, by more
than 10 times its width, are reported with a warning. strict=true refuses them (exit code 3).

per_step=true writes a row per step instead, with its number in the sequence, counted from 1: the
prediction for the sequence up to this step. The run must not need later steps; see docs/deploy.md.

How the class is chosen; see docs/probabilities.md:

  abstain_below=0.8
      writes ? in place of a class whose probability is below 0.8.
  threshold=0.3 [positive=CLASS]
      of two classes, the positive one is predicted if its probability is at least 0.3. Without
      positive=CLASS it is the second class.
  coverage=0.9 calibrate_on=FILE
      adds the column `set`: classes of which one is the true class for at least 90 % of new
      sequences. FILE has labelled sequences that were used for nothing else.

If the input has labels, the accuracy of these answers is printed.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from unrolled.commands.arguments import take_all
from unrolled.commands.calibration_file import require_unused
from unrolled.commands.new_file import NAMES, NewFile, check_new_file
from unrolled.data.files.paths import require_path
from unrolled.data.files.pipes import regular
from unrolled.errors import ConfigError, DataError
from unrolled.output import echo
from unrolled.runs.run_folder import find_run

if TYPE_CHECKING:
    from unrolled.prediction.conformal import PredictionSets
    from unrolled.prediction.predictor import Predictor
    from unrolled.prediction.tally import Tally

CHOICES = ("abstain_below", "threshold", "positive", "coverage", "calibrate_on")


def run(arguments: list[str]) -> None:
    """Check the arguments, predict, and print how many sequences each class has.

    Raises:
        UnrolledError: there is no such run, the file does not fit it, or the output exists.
    """
    typed, rest = take_all(arguments, ("run", "root", "per_step", *CHOICES, *NAMES))
    name = typed["run"]
    if rest or name is None or typed["input"] is None or typed["output"] is None:
        raise ConfigError(
            f"predict takes run=DIR (or run=latest) input=FILE output=FILE, got {arguments}"
        )
    if typed["per_step"] not in (None, "true", "false"):
        raise ConfigError(f"per_step={typed['per_step']}: need true or false")
    by_step = typed["per_step"] == "true"
    numbers = _numbers(typed, by_step=by_step)
    file = check_new_file(typed)
    folder = find_run(name, root=Path(typed["root"] or "outputs"))
    folder.require_best_checkpoint()
    calibrate_on = None
    if typed["calibrate_on"] is not None:
        calibrate_on = regular(require_path("calibrate_on", typed["calibrate_on"]))
        require_unused(calibrate_on, folder, input_path=file.input)
    from unrolled.prediction.answers import answer_rule
    from unrolled.prediction.predictor import Predictor
    from unrolled.prediction.tally import Tally

    predictor = Predictor(folder)
    predictor.use_threads_of_run()
    rule = answer_rule(
        predictor.class_names,
        abstain_below=numbers["abstain_below"],
        threshold=numbers["threshold"],
        positive=typed["positive"],
    )
    sets = None
    if calibrate_on is not None and numbers["coverage"] is not None:
        sets = _fitted_sets(predictor, calibrate_on, coverage=numbers["coverage"])

    def predict(whole: bool, labelled: bool) -> "Tally":
        tally = Tally(rule, sets, noun="steps" if by_step else "sequences")
        return _predict(predictor, file, tally, by_step=by_step, labelled=labelled, whole=whole)

    reads_labels = not by_step and any(value is not None for value in numbers.values())
    tally, reason = _with_labels_if_any(file, predict, reads_labels=reads_labels)
    for line in tally.lines():
        echo(line)
    if reason is not None:
        echo(f"no accuracy, because labels cannot be read: {reason}")
    echo(f"predictions: {file.output}")


def _numbers(typed: Mapping[str, str | None], *, by_step: bool) -> dict[str, float | None]:
    """Return the numbers that choose a class, and refuse combinations that contradict each other.

    Raises:
        ConfigError: the message names what to type.
    """
    numbers = {key: _number(key, typed[key]) for key in ("abstain_below", "threshold", "coverage")}
    for key, needed in (
        ("coverage", "calibrate_on"),
        ("calibrate_on", "coverage"),
        ("positive", "threshold"),
    ):
        if typed[key] is not None and typed[needed] is None:
            example = {"coverage": "0.9", "threshold": "0.3"}.get(needed, "FILE")
            use = ", labelled sequences that were used for nothing else" * (example == "FILE")
            raise ConfigError(f"{key}={typed[key]} needs {needed}={example}{use}")
    for key in ("abstain_below", "coverage"):
        if typed["threshold"] is not None and typed[key] is not None:
            raise ConfigError(
                f"threshold={typed['threshold']} {key}={typed[key]}: leave one of them out"
            )
    if by_step and typed["coverage"] is not None:
        raise ConfigError(
            f"coverage={typed['coverage']} is for whole sequences; leave out per_step=true"
        )
    return numbers


def _number(key: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < 1:
        raise ConfigError(f"{key}={text}: need a number > 0 and < 1")
    return value


def _fitted_sets(predictor: "Predictor", path: Path, *, coverage: float) -> "PredictionSets":
    """Return prediction sets that were fitted on a file of labelled sequences."""

    def read(whole: bool) -> "PredictionSets":
        blocks = predictor.blocks(path, labelled=True, whole=whole)
        return predictor.sets_from(blocks, coverage=coverage)

    sets = NewFile(path, None, strict=False).read(read)
    low, high = sets.coverage_range()
    echo(
        f"coverage={coverage:g}: {sets.num} calibration sequences; a set has each class with a "
        f"probability of at least {sets.smallest:.4g}"
    )
    echo(f"with so many, the coverage is between {low:.3f} and {high:.3f} in 9 of 10 cases")
    return sets


def _with_labels_if_any(
    file: NewFile, predict: "Callable[[bool, bool], Tally]", *, reads_labels: bool
) -> "tuple[Tally, str | None]":
    """Return the counts, and why labels could not be read if they could not.

    predict: called with whether to read the whole file first, and whether to read labels.
    """
    if not reads_labels:
        return file.read(lambda whole: predict(whole, False)), None
    reasons: list[str] = []

    def attempt(whole: bool) -> "Tally":
        try:
            return predict(whole, True)
        except DataError as error:
            reasons.append(str(error))
        return predict(whole, False)  # raises the error again if it is not one of the labels

    return file.read(attempt), reasons[-1] if reasons else None


def _predict(
    predictor: "Predictor",
    file: NewFile,
    tally: "Tally",
    *,
    by_step: bool,
    labelled: bool,
    whole: bool,
) -> "Tally":
    """Write the predictions block by block, and return the tally with their counts."""
    from unrolled.prediction.writing import write_predictions

    assert file.output is not None
    write_predictions(
        predictor,
        file.input,
        file.output,
        tally=tally,
        by_step=by_step,
        labelled=labelled,
        whole=whole,
        strict=file.strict,
    )
    return tally

"""`unrolled evaluate run=DIR`: test a run's best checkpoint again, or on a new file.

run=latest is the newest run with a checkpoint under outputs, or under root=DIR.

  unrolled evaluate run=DIR [data=...] [trainer=...]
      repeats the test of the run. data=OPTION and data.KEY=VALUE test it on other data of the same
      shape, for example data.test_path=new.csv. The scores are printed and written to
      evaluation.json in the run folder.

  unrolled evaluate run=DIR input=FILE [output=FILE] [overwrite=true] [strict=true]
      evaluates all sequences of a new labelled file, which is read in the same way as the training
      file. output=mistakes.csv (or .parquet) writes the sequences that are classified wrongly.
      Values far outside the training range are reported, and strict=true refuses them.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from unrolled.commands.arguments import quote_names, take_all
from unrolled.commands.new_file import NAMES, NewFile, check_new_file
from unrolled.config.checks import check_config
from unrolled.config.composition import override
from unrolled.config.values import holds_arrays
from unrolled.data.arrays.held import Given
from unrolled.data.files.paths import make_absolute
from unrolled.data.sources.early_checks import check_files
from unrolled.errors import ConfigError
from unrolled.output import echo
from unrolled.runs.durable import write_atomically
from unrolled.runs.result import Result
from unrolled.runs.run_folder import RunFolder, find_run

if TYPE_CHECKING:
    from unrolled.prediction.growing_table import Columns
    from unrolled.prediction.predictor import Predictor
    from unrolled.prediction.trained_run import Block
    from unrolled.reports.evaluation import Evaluation


def run(arguments: list[str]) -> None:
    """Test a run; settings that are not overridden come from its folder.

    Raises:
        UnrolledError: there is no such run, it has no checkpoint, or the data does not fit it.
    """
    typed, rest = take_all(arguments, ("run", "root", *NAMES))
    if typed["run"] is None:
        raise ConfigError("evaluate needs run=DIR or run=latest; `unrolled list` shows runs")
    without_input = [f"{key}={typed[key]}" for key in NAMES if typed[key] is not None]
    if typed["input"] is None and without_input:
        raise ConfigError(f"{' '.join(without_input)} needs input=FILE, a new file of sequences")
    if typed["input"] is not None and rest:
        raise ConfigError(
            f"{' '.join(rest)}: evaluate reads input=FILE with the settings of the run; "
            f"leave this out"
        )
    file = None if typed["input"] is None else check_new_file(typed)
    folder = find_run(typed["run"], root=Path(typed["root"] or "outputs"))
    folder.require_best_checkpoint()
    if file is None:
        _repeat_test(folder, rest)
    else:
        _evaluate_file(folder, file)
    echo(f"run: {folder.path}")


def _evaluate_file(folder: RunFolder, file: NewFile) -> None:
    from unrolled.prediction.predictor import Predictor
    from unrolled.reports.evaluation import show_evaluation

    predictor = Predictor(folder)
    predictor.use_threads_of_run()
    evaluation = file.read(lambda whole: _evaluate(predictor, file, whole=whole))
    show_evaluation(evaluation, noun="windows" if predictor.run.labels_may_change else "sequences")
    if file.output is not None:
        echo(f"mistakes: {file.output}")


def _evaluate(predictor: "Predictor", file: NewFile, *, whole: bool) -> "Evaluation":
    """Return the scores of a file, and write its mistakes if there is an output."""
    from unrolled.prediction.growing_table import growing_table

    blocks = predictor.classify_labelled(file.input, whole=whole, strict=file.strict)
    if file.output is None:
        return _add_up(predictor, blocks, add=lambda _: None)
    evaluations = []

    def write(path: Path) -> None:
        with growing_table(path, parquet=file.is_parquet) as add:
            evaluations.append(_add_up(predictor, blocks, add=add))

    write_atomically(file.output, write, durable=False)
    return evaluations[0]


def evaluate_here(folder: RunFolder, given: Given, *, strict: bool) -> "Evaluation":
    """Return the scores of labelled arrays, as the command evaluates a file.

    Raises:
        DataError: the arrays do not fit the run.
    """
    from unrolled.prediction.predictor import Predictor

    folder.require_best_checkpoint()
    predictor = Predictor(folder)
    blocks = predictor.classify_given(given, strict=strict)
    return _add_up(predictor, blocks, add=lambda _: None)


def _add_up(
    predictor: "Predictor", blocks: "Iterable[Block]", *, add: "Callable[[Columns], None]"
) -> "Evaluation":
    """Return the scores of labelled sequences.

    add: takes the rows of sequences or windows that are classified wrongly.
    """
    from unrolled.reports.evaluation import Evaluation

    evaluation = Evaluation(predictor.class_names)
    for block in blocks:
        evaluation.add(block.logits, block.classes)
        wrong = block.take(block.classes != block.logits.argmax(dim=1))
        if wrong.ids:
            add(_rows(predictor, wrong))
    if evaluation.num_correct == evaluation.num:
        add(_rows(predictor, wrong))  # no rows, only the names of the columns
    return evaluation


def _rows(predictor: "Predictor", block: "Block") -> "Columns":
    ids, prediction = predictor.prediction(block)
    windows = {"window": block.windows.numpy()} if predictor.run.labels_may_change else {}
    labels = [predictor.class_names[number] for number in block.classes.tolist()]
    names = {"label": labels, "predicted": prediction.labels}
    return {"id": ids, **windows, **names, **prediction.columns()}


def _repeat_test(folder: RunFolder, overrides: list[str]) -> None:
    before = folder.config()
    make_absolute(before.data, started_in=folder.started_in)
    config = override(before, quote_names(overrides), groups=("data", "trainer"))
    check_config(config)
    if holds_arrays(config):
        raise ConfigError(
            f"run={folder.path}: the run was trained on arrays, which are not stored; type "
            f'unrolled.evaluate("{folder.path}", data=(x, y)) in Python, or save labelled '
            "sequences to a file and type input=FILE"
        )
    check_files(config.data)
    refuse_new_split(before.data, config.data)
    from unrolled.building.source import prepare_source

    prepare_source(config)
    config.trainer.enable_progress_bar = False  # the scores are printed as a table
    from unrolled.reports.terminal import show_scores
    from unrolled.training import experiment

    show_scores(Result(scores=experiment.evaluate(config, folder)["scores"]))


def refuse_new_split(before: DictConfig, data: DictConfig) -> None:
    """Refuse another training file of which only a held-out part would be tested.

    Raises:
        ConfigError: the message names input=.
    """
    path, test_path = data.get("path"), data.get("test_path")
    if path is None or data.get("split_column") is not None:
        return
    if _absolute(path) == _absolute(before.get("path")):
        return
    if test_path is None:
        reason = "only a part of this file, split off as a test set, would be tested"
    elif _absolute(test_path) == _absolute(before.get("test_path")):
        reason = f"this file would not be tested, but data.test_path={test_path}"
    else:
        return
    raise ConfigError(
        f"data.path={path}: {reason}; to evaluate all sequences of a new file, type input={path}"
    )


def _absolute(path: str | None) -> Path | None:
    return None if path is None else Path(path).expanduser().absolute()

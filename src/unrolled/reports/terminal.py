"""Tables for a terminal."""

from collections.abc import Sequence
from math import isfinite, nan
from pathlib import Path
from statistics import fmean

from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from unrolled.config.values import data_name, model_name
from unrolled.reports.advice import advice, loss_note
from unrolled.reports.console import (
    NEVER_DROPPED,
    Column,
    fitting_table,
    make_console,
)
from unrolled.reports.plot import plot
from unrolled.reports.runs import UNFINISHED, UNREADABLE, read_run, skipped
from unrolled.runs.result import Calibration, CrossValidation, Result
from unrolled.runs.run_folder import RunFolder

METRICS = ("loss", "accuracy", "balanced_accuracy", "f1", "calibration_error")
# Rows of a split, by the prefix of their scores.
ROWS = {
    "": "",
    "vote_": ", by recording",  # of all windows of a recording
    "unseen_": ", unseen",  # without the sequences that are in another split too
    "unseen_vote_": ", unseen, by recording",
}
HEADERS = (
    *("state", "data", "model", "seed", "val acc", "cv acc", "test acc"),
    *("parameters", "time", "run"),
)
# Columns of `unrolled list` that a narrow terminal can do without; the lowest is dropped first.
# Data and model are part of the folder's name.
SHORTEST_NAME = 36  # characters of a run folder that `list` shows in a narrow terminal
PRIORITIES = {
    name: number
    for number, name in enumerate(
        ("parameters", "time", "data", "model", "seed", "val acc", "cv acc")
    )
}


def show_scores(result: Result, *, config: DictConfig | None = None) -> None:
    """Print a row of scores per split, the best epoch, and the accuracy of the baselines.

    config: of the run, for advice and a note on the losses. None leaves them out.
    """
    scores = result.scores
    table = Table("split", *(name.replace("_", " ") for name in METRICS))
    for split in ("train", "cv", "val", "test"):
        for prefix, suffix in ROWS.items():
            values = [scores.get(f"{split}/{prefix}{metric}") for metric in METRICS]
            if any(value is not None for value in values):
                cells = ("" if value is None else f"{value:.4f}" for value in values)
                table.add_row(f"{split}{suffix}", *cells)
    console = make_console()
    if table.row_count:
        console.print(table)
        if config is not None and (line := loss_note(result, config=config)):
            console.print(line)
    if result.cross_validation is not None:
        _show_folds(result.cross_validation, console)
    for split in ("val", "test") if table.row_count else ("train",):
        accuracies = [member.scores.get(f"{split}/accuracy") for member in result.members]
        known = [accuracy for accuracy in accuracies if accuracy is not None]
        if len(known) > 1:
            console.print(
                f"{split} accuracy of the {len(known)} members alone: "
                f"mean {fmean(known):.4f}, {min(known):.4f} to {max(known):.4f}"
            )
    if result.calibration is not None:
        _show_calibration(result.calibration, console)
    if result.best is not None and result.best.epoch is not None:
        reason = result.selection or f"{result.best.monitor} {result.best.value:.4f}"
        console.print(f"best epoch: {result.best.epoch + 1} of {result.num_epochs} ({reason})")
    if "test/accuracy" in scores:
        for name, accuracy in result.baselines.items():
            console.print(f"test accuracy of the baseline {name}: {accuracy:.4f}")
    if config is not None and (line := advice(result, config=config)):
        console.print(line)


def show_run(folder: RunFolder) -> None:
    """Print the scores of a run, and its loss and accuracy against the epoch.

    The curves of folds and members are averaged.

    Raises:
        CheckpointError: a file of the run is damaged.
    """
    read_run(folder)  # checks the files
    config, result, console = folder.config(), folder.result() or UNFINISHED, make_console()
    console.print(f"{result.state}: {folder.path}", soft_wrap=True)
    if result.error is not None:
        console.print(result.error)
    if result.num_sequences:
        counts = (f"{num:,} {split}" for split, num in result.num_sequences.items())
        noun = "sequences" if config.data.window.size is None else "windows"
        console.print(f"{noun}: {', '.join(counts)}")
    show_scores(result, config=config)
    if result.stopped_by is not None:
        console.print(f"training ended: {result.stopped_by}")
    rows = [row for part in folder.folds or folder.members or [folder] for row in part.metrics()]
    for metric in ("loss", "accuracy"):
        curves = {split: _mean_curve(rows, f"{split}/{metric}") for split in ("train", "val")}
        if known := {split: curve for split, curve in curves.items() if curve}:
            console.print(*plot(metric, known, console), sep="\n")


def _mean_curve(rows: Sequence[dict[str, float]], metric: str) -> list[tuple[float, float]]:
    by_epoch: dict[float, list[float]] = {}
    for row in rows:
        if isfinite(row.get(metric, nan)):
            by_epoch.setdefault(row["epoch"] + 1, []).append(row[metric])
    return [(epoch, fmean(values)) for epoch, values in sorted(by_epoch.items())]


def show_checks(rows: Sequence[tuple[str, str, str]]) -> None:
    """Print a row per check: what is checked, the result and its reason."""
    table = Table("check", "result", "reason")
    for row in rows:
        table.add_row(*row)
    make_console().print(table)


def _show_calibration(calibration: Calibration, console: Console) -> None:
    source = {"val": "validation", "cv": "held-out"}[calibration.fitted_on]
    console.print(
        f"calibration: temperature {calibration.temperature:.4f}, fitted on "
        f"{calibration.num_sequences:,} {source} predictions"
    )
    for name, before in calibration.before.items():
        split, score = name.split("/")
        if score == "calibration_error":
            after = calibration.after[name]
            console.print(f"{split} calibration error: {before:.4f} before, {after:.4f} after")


def _show_folds(folds: CrossValidation, console: Console) -> None:
    mean, deviation = folds.mean["accuracy"], folds.deviation["accuracy"]
    console.print(
        f"cross-validation: accuracy {100 * mean:.1f} ± {100 * deviation:.1f} % over "
        f"{len(folds.folds)} folds, {folds.num_sequences:,} {folds.noun}"
    )
    console.print(
        f"all held-out {folds.noun}: {folds.num_right:,} of {folds.num_sequences:,} correct, "
        f"{100 * folds.num_right / folds.num_sequences:.1f} % "
        f"(95 % interval {100 * folds.low:.1f} to {100 * folds.high:.1f} %)"
    )
    num = folds.num_sequences - folds.num_repeated
    if folds.num_repeated and num:
        right = folds.num_right - folds.num_right_repeated
        console.print(
            f"without {folds.num_repeated:,} {folds.noun} that have the same values as others: "
            f"{right:,} of {num:,} correct"
        )
    for name, accuracy in folds.baselines.items():
        console.print(f"mean accuracy of the baseline {name}: {100 * accuracy:.1f} %")


def show_runs(runs: Sequence[RunFolder], *, root: Path) -> None:
    """Print a line per run: state, data, model, scores and folder.

    A folder that cannot be read is named below the table.
    """
    console = make_console()
    if not runs:
        console.print(f"no runs under {root}; start one with `unrolled train`", soft_wrap=True)
        return
    rows, problems = [], []
    limit = max(SHORTEST_NAME, console.width // 2)
    for folder in runs:
        try:
            *cells, name = _row(folder, root=root)
            rows.append((*cells, shortened(name, limit)))
        except UNREADABLE as error:
            problems.append(skipped(folder, error))
    if rows:
        columns = [
            Column(header, cells, priority=PRIORITIES.get(header, NEVER_DROPPED), is_whole=True)
            for header, cells in zip(HEADERS, zip(*rows, strict=True), strict=True)
            if header != "cv acc" or any(cells)
        ]
        table, _ = fitting_table(columns, console)
        console.print(table)
    for problem in problems:
        console.print(problem, soft_wrap=True)


def _row(folder: RunFolder, *, root: Path) -> tuple[str, ...]:
    result = folder.result() or Result(state="unfinished")
    config = folder.plain_config()
    seconds = result.seconds.get("total")
    overrides = folder.provenance().get("overrides", [])
    is_debug = any(str(word).lstrip("+").startswith("debug=") for word in overrides)
    cells = (
        f"{result.state} (debug)" if is_debug else result.state,
        data_name(config),
        model_name(config),
        str(config["seed"]),
        *(_percent(result.scores.get(f"{split}/accuracy")) for split in ("val", "cv", "test")),
        "" if result.num_parameters is None else f"{result.num_parameters:,}",
        "" if seconds is None else f"{seconds:.0f} s",
        str(folder.path.relative_to(root.absolute())),
    )
    return tuple(" ".join(cell.split()) for cell in cells)


def shortened(name: str, limit: int) -> str:
    """Return the name with its middle replaced by … if it is longer than limit characters."""
    if len(name) <= limit:
        return name
    num_first = limit // 3
    return f"{name[:num_first]}…{name[num_first + 1 - limit :]}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f} %"

"""Tables for a terminal."""

import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from unrolled.config.values import class_name
from unrolled.runs.result import Result
from unrolled.runs.run_folder import RunFolder

METRICS = ("loss", "accuracy", "f1", "calibration_error")


def show_scores(result: Result) -> None:
    """Print a row of scores per split, the best epoch, and the accuracy of the baselines."""
    scores = result.scores
    table = Table("part", *(name.replace("_", " ") for name in METRICS))
    for part in ("train", "val", "test"):
        values = [scores.get(f"{part}/{metric}") for metric in METRICS]
        if any(value is not None for value in values):
            table.add_row(part, *("" if value is None else f"{value:.4f}" for value in values))
        votes = [scores.get(f"{part}/vote_{metric}") for metric in METRICS]
        if any(value is not None for value in votes):  # of all windows of a recording
            name = f"{part}, by recording"
            table.add_row(name, *("" if value is None else f"{value:.4f}" for value in votes))
    console = Console()
    console.print(table)
    if result.best is not None and result.best.epoch is not None:
        reason = result.selection or f"{result.best.monitor} {result.best.value:.4f}"
        console.print(f"best epoch: {result.best.epoch + 1} of {result.num_epochs} ({reason})")
    if "test/accuracy" in scores:
        for name, accuracy in result.baselines.items():
            console.print(f"test accuracy without training, {name}: {accuracy:.4f}")


def show_runs(runs: list[RunFolder], *, root: Path) -> None:
    """Print a row per run: how it ended, what it was, how well it did."""
    console = Console() if sys.stdout.isatty() else Console(width=250)  # nothing cut in a file
    if not runs:
        console.print(f"no runs under {root}; `unrolled train` makes one")
        return
    table = Table("state", "data", "model", "seed", "val acc", "test acc", "parameters", "time")
    table.add_column("run", overflow="fold")
    for folder in runs:
        result = folder.result() or Result(state="unfinished")
        config = folder.config()
        seconds = result.seconds.get("total")
        table.add_row(
            result.state,
            class_name(config.data.source),
            class_name(config.model),
            str(config.seed),
            *(_percent(result.scores.get(f"{part}/accuracy")) for part in ("val", "test")),
            "" if result.num_parameters is None else f"{result.num_parameters:,}",
            "" if seconds is None else f"{seconds:.0f} s",
            str(folder.path.relative_to(root.absolute())),
        )
    console.print(table)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f} %"

"""Tables for a terminal."""

import sys
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from unrolled.config.values import class_name
from unrolled.runs.run_folder import RunFolder

NONE: Mapping[str, float] = {}
METRICS = ("loss", "accuracy", "f1", "calibration_error")


def show_scores(scores: dict[str, float], *, baselines: Mapping[str, float] = NONE) -> None:
    """Print a row per part with the scores that it has, and below it what needs no training.

    baselines: test accuracy of trivial solutions, by name.
    """
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
    if "test/accuracy" in scores:
        for name, accuracy in baselines.items():
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
        result = folder.result() or {}
        config = folder.config()
        scores = result.get("scores", {})
        seconds = result.get("seconds", {}).get("total")
        table.add_row(
            result.get("state", "unfinished"),
            class_name(config.data.source),
            class_name(config.model),
            str(config.seed),
            *(_percent(scores.get(f"{part}/accuracy")) for part in ("val", "test")),
            f"{result['num_parameters']:,}" if "num_parameters" in result else "",
            "" if seconds is None else f"{seconds:.0f} s",
            str(folder.path.relative_to(root.absolute())),
        )
    console.print(table)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f} %"

"""The validation score by epoch."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from unrolled.errors import CheckpointError
from unrolled.reports.comparison import Comparison
from unrolled.reports.pages import sweep_figures
from unrolled.reports.pages.figures import Figures
from unrolled.reports.pages.page import Section
from unrolled.reports.pages.sweep_figures import MAX_CURVES
from unrolled.runs.run_folder import RunFolder

log = logging.getLogger(__name__)


def learning_curves(
    figures: Figures, comparison: Comparison, names: Sequence[str]
) -> Iterator[Section]:
    """Yield the section, if any run has recorded the score."""
    metric = "val/" + comparison.metric.split("/")[-1]
    curves: dict[str, list[dict[float, float]]] = {}
    for name, row in zip(names, comparison.rows, strict=True):
        done = [run for run in row.runs if run.state == "done"]
        found = [_curve(run.path, metric) for run in done] if len(curves) < MAX_CURVES else []
        if found := [curve for curve in found if curve]:
            curves[name] = found
    if curves:
        note = (
            f"The first {MAX_CURVES} of {len(names)} settings." if len(names) > MAX_CURVES else ""
        )
        yield Section(
            "Learning curves",
            notes=[note] if note else [],
            pictures=[sweep_figures.learning_curves(figures, curves, metric=metric)],
        )


def _curve(path: Path, metric: str) -> dict[float, float]:
    try:
        rows = RunFolder(path).metrics()
    except CheckpointError as error:
        log.warning("no learning curve: %s", error)
        return {}
    return {row["epoch"] + 1: row[metric] for row in rows if metric in row and "epoch" in row}

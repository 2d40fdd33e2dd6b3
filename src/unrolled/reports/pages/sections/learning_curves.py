"""The validation score by epoch, or the training score without a validation set."""

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
    """Yield the section, if any run has recorded the score.

    Without a validation set, the curves are of the training set. A run of several trainings has a
    curve for each.
    """
    score = comparison.metric.split("/")[-1]
    for metric in (f"val/{score}", f"train/{score}", "train/loss"):
        if curves := _curves(comparison, names, metric):
            break
    if curves:
        note = (
            f"The first {MAX_CURVES} of {len(names)} settings." if len(names) > MAX_CURVES else ""
        )
        yield Section(
            "Learning curves",
            notes=[note] if note else [],
            pictures=[sweep_figures.learning_curves(figures, curves, metric=metric)],
        )


def _curves(
    comparison: Comparison, names: Sequence[str], metric: str
) -> dict[str, list[dict[float, float]]]:
    """Return the curves of each of the first settings that has some, by its name."""
    curves: dict[str, list[dict[float, float]]] = {}
    for name, row in zip(names, comparison.rows, strict=True):
        done = [run for run in row.runs if run.state == "done"]
        if len(curves) < MAX_CURVES:
            found = [curve for run in done for curve in _curves_of_run(run.path, metric) if curve]
            curves |= {name: found} if found else {}
    return curves


def _curves_of_run(path: Path, metric: str) -> Iterator[dict[float, float]]:
    folder = RunFolder(path)
    try:
        for part in folder.folds or folder.members or [folder]:
            rows = part.metrics()
            yield {
                row["epoch"] + 1: row[metric] for row in rows if metric in row and "epoch" in row
            }
    except CheckpointError as error:
        log.warning("no learning curve: %s", error)

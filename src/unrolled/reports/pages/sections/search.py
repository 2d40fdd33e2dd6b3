"""The history of a search, and the importance of its settings."""

from collections.abc import Iterator
from pathlib import Path

from unrolled.reports.comparison import Comparison
from unrolled.reports.pages import sweep_figures
from unrolled.reports.pages.figures import Figures
from unrolled.reports.pages.page import Cell, Grid, Section
from unrolled.reports.pages.search import read_search


def search(figures: Figures, comparison: Comparison, folder: Path) -> Iterator[Section]:
    """Yield the section, if the sweep is a search of which a trial has finished."""
    monitor = str(comparison.rows[0].runs[0].config.monitor.metric)
    found = read_search(folder, metric=monitor)
    if found is None or not found.values:
        return
    pictures = [sweep_figures.history(figures, found)]
    note = (
        f"{len(found.values)} trials finished, {found.num_pruned} were pruned, "
        f"{found.num_failed} failed."
    )
    tables = []
    if found.importance:
        pictures.append(sweep_figures.importance(figures, found))
        rows = [
            [Cell(name), Cell(f"{share:.2f}", share)] for name, share in found.importance.items()
        ]
        tables.append(Grid(["setting", "importance"], rows, is_sortable=True))
    yield Section("Search", notes=[note], pictures=pictures, tables=tables)

"""Models by data sets, their ranks, and which differences can be shown."""

from collections.abc import Iterator

from unrolled.reports.comparison import Comparison
from unrolled.reports.data_set_tables import TITLE, notes, pairs_sheet, summary_rows
from unrolled.reports.data_sets import Method
from unrolled.reports.formats import score_heading, spread
from unrolled.reports.pages.figures import Figures
from unrolled.reports.pages.page import Cell, Grid, Section, plain_rows
from unrolled.reports.pages.rank_figure import rank_diagram


def data_sets(figures: Figures, comparison: Comparison) -> Iterator[Section]:
    """Yield the table and all pairs, if there are several models on several data sets."""
    table = comparison.data_sets
    if table is None:
        return
    header = [f"data set ({score_heading(table.metric)})", *(m.name for m in table.methods)]
    rows = [
        [Cell(name), *(_score(method, name, table.metric) for method in table.methods)]
        for name in table.names
    ]
    yield Section(
        TITLE,
        notes=list(notes(table)),
        pictures=[rank_diagram(figures, table)] if table.ranked else [],
        tables=[Grid(header, rows, last=plain_rows(summary_rows(table)), file="data_sets.csv")],
    )
    if table.pairs:
        sheet = pairs_sheet(table)
        yield Section(
            f"Pairs of models on {len(table.ranked_on)} data sets",
            tables=[Grid(sheet.header, plain_rows(sheet.rows), is_sortable=True, file="sweep.md")],
            is_folded=True,
        )


def _score(method: Method, name: str, metric: str) -> Cell:
    summary = method.scores.get(name)
    return Cell(spread(summary, metric), None if summary is None else summary.mean)

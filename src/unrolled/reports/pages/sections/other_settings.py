"""Settings that follow from the ones in the table of results."""

from collections.abc import Iterator, Sequence

from unrolled.reports.comparison import Comparison
from unrolled.reports.pages.cells import setting_cell
from unrolled.reports.pages.page import Cell, Grid, Section


def other_settings(
    comparison: Comparison, columns: Sequence[str], names: Sequence[str]
) -> Iterator[Section]:
    """Yield the section, if there are any."""
    rest = [
        name
        for name in comparison.columns
        if name not in columns and len({row.key[name] for row in comparison.rows}) > 1
    ]
    if rest:
        rows = [
            [
                Cell(name),
                *(setting_cell(row.key[key]) for key in rest),
            ]
            for name, row in zip(names, comparison.rows, strict=True)
        ]
        yield Section(
            "Other settings that differ",
            notes=["These follow from the settings in the table, for example by a recipe."],
            tables=[Grid(["setting", *rest], rows, is_sortable=True, file="sweep.csv")],
            is_folded=True,
        )

"""Differences over shared seeds and folds."""

from collections.abc import Iterator, Sequence

from unrolled.reports.comparison import Comparison
from unrolled.reports.formats import score_interval, spread
from unrolled.reports.pages import sweep_figures
from unrolled.reports.pages.figures import Figures
from unrolled.reports.pages.page import Cell, Grid, Section
from unrolled.reports.pages.sweep_figures import MAX_ROWS
from unrolled.reports.statistics import is_loss, is_proportion


def differences(
    figures: Figures, comparison: Comparison, names: Sequence[str]
) -> Iterator[Section]:
    """Yield the section, if any runs can be compared."""
    if not comparison.differences:
        return
    metric = comparison.metric
    by_key = dict(zip((tuple(row.key.items()) for row in comparison.rows), names, strict=True))
    references = [by_key[tuple(one.reference.items())] for one in comparison.differences]
    has_one = len(set(references)) == 1
    found = {by_key[tuple(one.key.items())]: one.summary for one in comparison.differences}
    unit = "points" if is_proportion(metric) else metric
    rows = [
        [
            Cell(name),
            Cell(spread(one, metric), one.mean),
            Cell(score_interval(one, metric), one.low),
            Cell(str(one.n), one.n),
            Cell(_verdict(one.low, one.high, metric=metric)),
            *([] if has_one else [Cell(reference)]),
        ]
        for (name, one), reference in zip(found.items(), references, strict=True)
    ]
    header = ["setting", f"difference in {unit}", "95 % interval", "shared runs", "compared"]
    header += [] if has_one else ["with"]
    reference = references[0] if has_one else "the first setting on its data set"
    yield Section(
        f"Paired differences: each less {reference}",
        notes=["Only runs with the same seed, folds and data are compared."],
        pictures=[
            sweep_figures.differences(
                figures,
                dict(list(found.items())[:MAX_ROWS]),
                metric=metric,
                reference=reference,
            )
        ],
        tables=[Grid(header, rows, is_sortable=True, file="sweep.md")],
    )


def _verdict(low: float | None, high: float | None, *, metric: str) -> str:
    if low is None or high is None or low <= 0 <= high:
        return "no clear difference"
    return "better" if (low > 0) != is_loss(metric) else "worse"

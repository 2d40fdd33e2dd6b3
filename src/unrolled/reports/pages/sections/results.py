"""The table of settings, the score first, and every run as a dot."""

from collections.abc import Iterator, Mapping, Sequence

from unrolled.reports.comparison import Comparison
from unrolled.reports.formats import has_scores, score_heading, score_interval, spread
from unrolled.reports.naming import Names
from unrolled.reports.pages import sweep_figures
from unrolled.reports.pages.cells import setting_cell
from unrolled.reports.pages.figures import Figures
from unrolled.reports.pages.page import Cell, Grid, Section
from unrolled.reports.pages.sweep_figures import MAX_ROWS, Setting
from unrolled.reports.statistics import ScoreSummary


def results(
    figures: Figures,
    comparison: Comparison,
    columns: Sequence[str],
    settings: Sequence[Setting],
    names: Names,
) -> Iterator[Section]:
    """Yield the section."""
    metric = comparison.metric
    if not names.are_numbers:  # they are part of the name
        columns = []
    other = "val/accuracy" if metric != "val/accuracy" else "val/loss"
    header = [score_heading(metric), "95 % interval", "n", "setting"]
    others = [other] if has_scores(comparison, other) else []
    header += [*columns, *map(score_heading, others)]
    header += ["parameters", "time"]
    has_failures = any(row.num_failed for row in comparison.rows)
    header += ["failed"] if has_failures else []
    rows = []
    for name, row in zip(names.short, comparison.rows, strict=True):
        cells = _score_cells(row.scores, metric)
        cells.append(Cell(name))
        cells += [setting_cell(row.key[column]) for column in columns]
        cells += [_mean_cell(row.scores, name) for name in others]
        number = row.num_parameters
        cells.append(Cell("" if number is None else f"{number:,}", number))
        cells.append(Cell("" if row.seconds is None else f"{row.seconds:.1f} s", row.seconds))
        rows.append(cells + ([Cell(str(row.num_failed), row.num_failed)] if has_failures else []))
    last = []
    for baseline in comparison.baselines:
        cells = [*_score_cells(baseline.scores, metric), Cell(f"baseline: {baseline.name}")]
        cells += [Cell(baseline.key.get(name, "")) for name in columns]
        cells += [_mean_cell(baseline.scores, name) for name in others]
        last.append([*cells, *[Cell("")] * (len(header) - len(cells))])
    has_repeats = any(len(row.runs) > 1 for row in comparison.rows)
    notes = [f"Mean ± standard deviation over {comparison.repeats}."]
    if not has_repeats:
        notes = [f"{comparison.repeats[:1].upper()}{comparison.repeats[1:]}."]
    if metric.startswith("test/") and len(settings) > 1:
        notes.append(
            "The setting with the best test score was chosen on the test set, so its score is "
            "optimistic. Intervals are not corrected for the number of comparisons."
        )
    names_used = [baseline.name for baseline in comparison.baselines]
    baselines = {
        baseline.name: baseline.scores[metric].mean
        for baseline in comparison.baselines
        if metric in baseline.scores and names_used.count(baseline.name) == 1  # of one data set
    }
    pictures = []
    if settings:
        if len(settings) > MAX_ROWS:
            notes.append(f"The figure shows the first {MAX_ROWS} settings.")
        pictures.append(
            sweep_figures.dots(figures, settings[:MAX_ROWS], metric=metric, baselines=baselines)
        )
    table = Grid(header, rows, is_sortable=True, last=last, file="sweep.csv")
    yield Section("Results", notes=notes, pictures=pictures, tables=[table])


def _mean_cell(scores: Mapping[str, ScoreSummary], metric: str) -> Cell:
    summary = scores.get(metric)
    return Cell(spread(summary, metric), None if summary is None else summary.mean)


def _score_cells(scores: Mapping[str, ScoreSummary], metric: str) -> list[Cell]:
    summary = scores.get(metric)
    if summary is None:
        return [Cell(""), Cell(""), Cell("0", 0)]
    return [
        Cell(spread(summary, metric), summary.mean),
        Cell(score_interval(summary, metric), summary.low),
        Cell(str(summary.n), summary.n),
    ]

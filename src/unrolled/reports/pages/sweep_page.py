"""The page of a sweep: which setting won, how certain this is, and why jobs failed."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from unrolled.errors import CheckpointError
from unrolled.reports.comparison import Comparison
from unrolled.reports.formats import (
    score_heading,
    score_interval,
    short_setting,
    spread,
)
from unrolled.reports.pages import sweep_figures
from unrolled.reports.pages.figures import Figures
from unrolled.reports.pages.naming import Names, name_rows, shown_columns
from unrolled.reports.pages.page import Cell, Grid, Log, Page, Picture, Section, write_page
from unrolled.reports.pages.search import read_search
from unrolled.reports.pages.sweep_figures import Setting
from unrolled.reports.pages.verdict import sentence
from unrolled.reports.statistics import ScoreSummary, is_loss, is_proportion
from unrolled.runs.run_folder import RunFolder

log = logging.getLogger(__name__)

MAX_ROWS = 40  # settings in a figure with a row per setting
MAX_CURVES = 8  # settings in a figure with a colour per setting
MAX_LOGS = 30
NUM_LOG_LINES = 25


def write_sweep_page(comparison: Comparison, folder: Path, *, name: str) -> Path:
    """Write report.html and its figures, and return the path of the page.

    folder: of a sweep, or any other.
    """
    figures = Figures(folder)
    columns = shown_columns(comparison)
    names = name_rows(comparison.rows, columns)
    settings = [
        Setting(
            name=names.short[number],
            full_name=names.full[number],
            summary=row.scores[comparison.metric],
            values=[
                run.scores[comparison.metric] for run in row.runs if _has(run.scores, comparison)
            ],
            num_parameters=row.num_parameters,
            seconds=row.seconds,
        )
        for number, row in enumerate(comparison.rows)
        if comparison.metric in row.scores
    ]
    sections = [
        *_results(figures, comparison, columns, settings, names),
        *_curves(figures, comparison, names.short),
        *_costs(figures, comparison, settings),
        *_differences(figures, comparison, names.short),
        *_failures(comparison),
        *_search(figures, comparison, folder),
        *_all_settings(comparison, columns, names.short),
    ]
    num_runs = sum(len(row.runs) for row in comparison.rows)
    facts = {
        "settings": str(len(comparison.rows)),
        "runs": f"{num_runs - len(comparison.failures)} of {num_runs} done",
        "repeats": comparison.repeats,
        "folder": str(folder.absolute()),
    }
    data = {row.key["data"] for row in comparison.rows if "data" in row.key}
    models = {row.key["model"] for row in comparison.rows if "model" in row.key}
    title = f"{_listed(models)} on {_listed(data)}" if data and models else name
    page = Page(f"{title}: {name}", sentence(comparison, settings), facts, sections)
    return write_page(page, folder)


def _has(scores: Mapping[str, float], comparison: Comparison) -> bool:
    return comparison.metric in scores


def _listed(names: set[str]) -> str:
    first = sorted(names)[:3]
    return ", ".join(first) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _results(
    figures: Figures,
    comparison: Comparison,
    columns: Sequence[str],
    settings: Sequence[Setting],
    names: Names,
) -> Iterator[Section]:
    metric = comparison.metric
    if not names.are_numbers:  # they are part of the name
        columns = []
    other = "val/accuracy" if metric != "val/accuracy" else "val/loss"
    header = [score_heading(metric), "95 % interval", "n", "setting"]
    header += [*columns, score_heading(other)]
    header += ["parameters", "time"]
    has_failures = any(row.num_failed for row in comparison.rows)
    header += ["failed"] if has_failures else []
    rows = []
    for name, row in zip(names.short, comparison.rows, strict=True):
        cells = _score_cells(row.scores, metric)
        cells.append(Cell(name))
        cells += [_setting_cell(row.key[column]) for column in columns]
        second = row.scores.get(other)
        cells.append(Cell(spread(second, other), None if second is None else second.mean))
        number = row.num_parameters
        cells.append(Cell("" if number is None else f"{number:,}", number))
        cells.append(Cell("" if row.seconds is None else f"{row.seconds:.1f} s", row.seconds))
        rows.append(cells + ([Cell(str(row.num_failed), row.num_failed)] if has_failures else []))
    for baseline in comparison.baselines:
        cells = [*_score_cells(baseline.scores, metric), Cell(f"baseline: {baseline.name}")]
        cells += [Cell(baseline.key.get(name, "")) for name in columns]
        second = baseline.scores.get(other)
        cells.append(Cell(spread(second, other), None if second is None else second.mean))
        rows.append([*cells, *[Cell("")] * (len(header) - len(cells))])
    has_repeats = any(len(row.runs) > 1 for row in comparison.rows)
    notes = [f"Mean ± standard deviation over {comparison.repeats}."]
    if not has_repeats:
        notes = [f"{comparison.repeats[:1].upper()}{comparison.repeats[1:]}."]
    if metric.startswith("test/") and len(settings) > 1:
        notes.append(
            "The setting with the best test score was chosen on the test set, so its score is "
            "optimistic. Intervals are not corrected for the number of comparisons."
        )
    baselines = {
        baseline.name: baseline.scores[metric].mean
        for baseline in comparison.baselines
        if metric in baseline.scores
    }
    pictures = []
    if settings:
        if len(settings) > MAX_ROWS:
            notes.append(f"The figure shows the first {MAX_ROWS} settings.")
        pictures.append(
            sweep_figures.dots(figures, settings[:MAX_ROWS], metric=metric, baselines=baselines)
        )
    yield Section(
        "Results", notes=notes, pictures=pictures, tables=[Grid(header, rows, is_sortable=True)]
    )


def _score_cells(scores: Mapping[str, ScoreSummary], metric: str) -> list[Cell]:
    summary = scores.get(metric)
    if summary is None:
        return [Cell(""), Cell(""), Cell("0", 0)]
    return [
        Cell(spread(summary, metric), summary.mean),
        Cell(score_interval(summary, metric), summary.low),
        Cell(str(summary.n), summary.n),
    ]


def _setting_cell(text: str) -> Cell:
    return Cell(short_setting(text), _number(text))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _curves(figures: Figures, comparison: Comparison, names: Sequence[str]) -> Iterator[Section]:
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


def _costs(
    figures: Figures, comparison: Comparison, settings: Sequence[Setting]
) -> Iterator[Section]:
    metric = comparison.metric
    shown = settings[: 2 * MAX_CURVES]
    pictures: list[Picture] = []
    for name, heading, places in (
        ("parameters", "parameters", [one.num_parameters for one in shown]),
        ("time", "seconds of a run", [one.seconds for one in shown]),
    ):
        known = [(one, place) for one, place in zip(shown, places, strict=True) if place]
        if len({place for _, place in known}) > 1:
            pictures.append(
                sweep_figures.against(
                    figures,
                    [one for one, _ in known],
                    [float(place) for _, place in known],
                    name=f"score-{name}",
                    heading=heading,
                    metric=metric,
                )
            )
    if pictures:
        notes = [f"The first {len(shown)} of {len(settings)} settings."]
        is_part = len(settings) > len(shown)
        yield Section("Size and time", notes=notes if is_part else [], pictures=pictures)


def _differences(
    figures: Figures, comparison: Comparison, names: Sequence[str]
) -> Iterator[Section]:
    if not comparison.differences:
        return
    metric = comparison.metric
    by_key = dict(zip((tuple(row.key.items()) for row in comparison.rows), names, strict=True))
    reference = by_key[tuple(comparison.differences[0].reference.items())]
    found = {by_key[tuple(one.key.items())]: one.summary for one in comparison.differences}
    unit = "points" if is_proportion(metric) else metric
    rows = [
        [
            Cell(name),
            Cell(spread(one, metric), one.mean),
            Cell(score_interval(one, metric), one.low),
            Cell(str(one.n), one.n),
            Cell(_verdict(one.low, one.high, metric=metric)),
        ]
        for name, one in found.items()
    ]
    header = ["setting", f"difference in {unit}", "95 % interval", "shared runs", "compared"]
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
        tables=[Grid(header, rows, is_sortable=True)],
    )


def _verdict(low: float | None, high: float | None, *, metric: str) -> str:
    if low is None or high is None or low <= 0 <= high:
        return "no clear difference"
    return "better" if (low > 0) != is_loss(metric) else "worse"


def _failures(comparison: Comparison) -> Iterator[Section]:
    failures = comparison.failures
    if not failures:
        return
    logs = [
        Log(
            run.path.name,
            f"{run.state}"
            + ("" if run.exit_code is None else f", exit code {run.exit_code}")
            + f": {run.error}",
            RunFolder(run.path).log_end(NUM_LOG_LINES),
        )
        for run in failures[:MAX_LOGS]
    ]
    notes = [f"The first {MAX_LOGS} of {len(failures)}."] if len(failures) > MAX_LOGS else []
    yield Section(f"Runs that are not done: {len(failures)}", notes=notes, logs=logs)


def _search(figures: Figures, comparison: Comparison, folder: Path) -> Iterator[Section]:
    monitor = str(comparison.rows[0].runs[0].config.monitor.metric)
    search = read_search(folder, metric=monitor)
    if search is None or not search.values:
        return
    pictures = [sweep_figures.history(figures, search)]
    note = (
        f"{len(search.values)} trials finished, {search.num_pruned} were pruned, "
        f"{search.num_failed} failed."
    )
    tables = []
    if search.importance:
        pictures.append(sweep_figures.importance(figures, search))
        rows = [
            [Cell(name), Cell(f"{share:.2f}", share)] for name, share in search.importance.items()
        ]
        tables.append(Grid(["setting", "importance"], rows, is_sortable=True))
    yield Section("Search", notes=[note], pictures=pictures, tables=tables)


def _all_settings(
    comparison: Comparison, columns: Sequence[str], names: Sequence[str]
) -> Iterator[Section]:
    """Yield the settings that differ and follow from the ones in the table."""
    rest = [
        name
        for name in comparison.columns
        if name not in columns and len({row.key[name] for row in comparison.rows}) > 1
    ]
    if rest:
        rows = [
            [
                Cell(name),
                *(_setting_cell(row.key[key]) for key in rest),
            ]
            for name, row in zip(names, comparison.rows, strict=True)
        ]
        yield Section(
            "Other settings that differ",
            notes=["These follow from the settings in the table, for example by a recipe."],
            tables=[Grid(["setting", *rest], rows, is_sortable=True)],
            is_folded=True,
        )

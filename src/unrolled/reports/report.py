"""Reads runs, compares them, prints the table, and writes it and the page."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from unrolled.errors import ConfigError, UnrolledError
from unrolled.reports.comparison import Comparison, compare, select
from unrolled.reports.console import NEVER_DROPPED, Column, fitting_table, make_console
from unrolled.reports.data_set_tables import by_data_set_sheet, fitted_columns, notes
from unrolled.reports.data_sets import DataSets
from unrolled.reports.files import write_tables
from unrolled.reports.formats import Sheet, sheets
from unrolled.reports.naming import ALWAYS_FIRST
from unrolled.reports.runs import Run, read_runs
from unrolled.runs.run_folder import RunFolder

log = logging.getLogger(__name__)

LONGEST_SCORE = 20  # characters; longer text that contains " to " is no score
# Columns that a narrow terminal can do without; the first is dropped first.
DISPENSABLE = (
    "worst to best",
    "val/loss",
    "val/accuracy in %",
    "time",
    "parameters",
)


def report(
    places: Sequence[Path],
    *,
    metric: str | None,
    sort: str | None,
    group: Sequence[str],
    conditions: Sequence[tuple[str, ...]],
    with_baselines: bool,
    folder: Path | None,
) -> Comparison:
    """Print the runs in and under some folders as a table, and return it.

    metric, sort, group: see `compare`.
    conditions: keys and values that a run must have.
    folder: where the table and the page are written; None to write neither.

    Raises:
        ConfigError: no run, or a metric or key that no run has.
    """
    runs = read_runs(places)
    for key, value in conditions:
        runs = select(runs, key=key, value=value)
        if not runs:
            raise ConfigError(f"where={key}={value}: no run has this value")
    cache = None if folder is None else folder / "baselines.json"

    def baseline_scores(run: Run) -> Mapping[str, Mapping[str, float]]:
        from unrolled.reports.baselines import known_baselines, mean_over_folds

        fingerprint = run.data_fingerprint
        folds = [fold.config() for fold in RunFolder(run.path).folds]
        try:
            if folds:
                return mean_over_folds(folds, data_fingerprint=fingerprint, cache=cache)
            return known_baselines(run.config, data_fingerprint=fingerprint, cache=cache)
        except UnrolledError as error:
            log.warning("no baselines: %s", error)
            return {}

    comparison = compare(
        runs,
        metric=metric,
        sort=sort,
        group=group,
        baseline_scores=baseline_scores if with_baselines else None,
    )
    name = "" if folder is None else folder.absolute().name
    if folder is not None:
        write_tables(comparison, folder, title=name)
    show(comparison)
    if folder is not None:
        from unrolled.reports.pages.sweep_page import write_sweep_page  # loads for a second

        write_sweep_page(comparison, folder, name=name)
    return comparison


def show(comparison: Comparison) -> None:
    """Print the tables. Columns that do not fit into a narrow terminal are dropped and named."""
    console = make_console()
    dropped: dict[str, None] = {}
    for sheet in sheets(comparison):
        columns = prioritized(sheet, settings=comparison.columns)
        table, missing = fitting_table(columns, console, title=sheet.title)
        dropped |= dict.fromkeys(missing)
        console.print(table)
    if dropped:
        names = ", ".join(dropped)
        console.print(f"columns not shown: {names}; see the files, or use a wider terminal")
    console.print(f"mean ± standard deviation over {comparison.repeats}", soft_wrap=True)
    if comparison.data_sets is not None:
        _show_data_sets(comparison.data_sets)


def _show_data_sets(table: DataSets) -> None:
    """Print the models by data sets, and what can be said about their differences."""
    console, sheet = make_console(), by_data_set_sheet(table)
    printed, dropped = fitting_table(fitted_columns(sheet, table), console, title=sheet.title)
    console.print()
    console.print(printed)
    if dropped:
        names = ", ".join(" ".join(name.split()) for name in dropped)
        console.print(f"columns not shown: {names}; see the files")
    for note in notes(table):
        console.print(note)


def prioritized(sheet: Sheet, *, settings: Sequence[str]) -> list[Column]:
    """Return the columns of a sheet, with the priority of each.

    settings: headers of the columns that show settings. Those that are the same in all rows are
        dropped first, then those without which the rows still differ (for example the sizes of a
        model next to its name).
    """
    cells = dict(zip(sheet.header, zip(*sheet.rows, strict=True), strict=False))
    redundant = _redundant({name: cells[name] for name in settings if name in cells})

    def priority(name: str) -> int:
        if name in settings and len(cells[name]) > 1 and len(set(cells[name])) == 1:
            return 0
        if name in redundant and name.startswith("model."):
            return 1
        if name in DISPENSABLE:
            return 2 + DISPENSABLE.index(name)
        is_needed = name not in redundant or name in ALWAYS_FIRST
        return NEVER_DROPPED if is_needed else 2 + len(DISPENSABLE)

    return [
        Column(name, values, priority=priority(name), is_whole=_is_whole(values))
        for name, values in cells.items()
    ]


def _redundant(cells: Mapping[str, Sequence[str]]) -> set[str]:
    """Return the settings without which the rows still differ, the last ones first."""
    kept = {name: values for name, values in cells.items() if len(set(values)) > 1}
    redundant = set()
    for name in reversed(list(kept)):
        rest = [values for other, values in kept.items() if other != name]
        if len(set(zip(*rest, strict=True))) == len(kept[name]):
            redundant.add(name)
            del kept[name]
    return redundant


def _is_whole(cells: Sequence[str]) -> bool:
    is_score = any(" ± " in cell or " to " in cell for cell in cells)
    return is_score and max(map(len, cells)) <= LONGEST_SCORE

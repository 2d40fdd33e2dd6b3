"""Reads runs, compares them, shows the table, and writes it."""

import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from unrolled.errors import ConfigError, UnrolledError
from unrolled.reports.comparison import Comparison, compare, select
from unrolled.reports.formats import Sheet, sheets, write_tables
from unrolled.reports.runs import Run, read_runs

log = logging.getLogger(__name__)

WIDE = 250  # characters, where nobody looks at a terminal
WHOLE = 20  # characters; what is no longer, such as 96.00 ± 1.00, is not broken
# Columns that a narrow terminal does without, the first of these first.
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
    """Show the runs in and under some places as a table, and return it.

    metric, sort, group: see `compare`.
    conditions: keys and values that a run must have.
    folder: where the table is written; None for nowhere.

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
        from unrolled.reports.baselines import known_baselines

        try:
            return known_baselines(run.config, data_fingerprint=run.data_fingerprint, cache=cache)
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
    if folder is not None:
        write_tables(comparison, folder, title=folder.absolute().name)
    show(comparison)
    return comparison


def show(comparison: Comparison) -> None:
    """Print the sheets; what a narrow terminal has no room for is left out, and named."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDE)
    left_out: dict[str, None] = {}
    for sheet in sheets(comparison):
        table, missing = _fitting(sheet, console, settings=comparison.columns)
        left_out |= dict.fromkeys(missing)
        console.print(table)
    if left_out:
        names = ", ".join(left_out)
        console.print(f"no room for: {names}; the files and a wider terminal have them")
    console.print(f"mean ± standard deviation over {comparison.repeats}", soft_wrap=True)


def _fitting(sheet: Sheet, console: Console, *, settings: Sequence[str]) -> tuple[Table, list[str]]:
    """Return the sheet as a table as wide as the console, and the columns it has no room for.

    settings: the columns that are left out first where all rows have the same, and then where the
        others tell the rows apart without them, as a model's name does without its sizes.
    """
    columns = dict(enumerate(zip(*sheet.rows, strict=True)))
    same = [
        n
        for n in columns
        if sheet.header[n] in settings and len(sheet.rows) > 1 and len(set(columns[n])) == 1
    ]
    telling = [n for n in columns if sheet.header[n] in settings and n not in same]
    implied: list[int] = []
    for number in reversed(telling):
        rest = [n for n in telling if n not in (number, *implied)]
        if len({tuple(row[n] for n in rest) for row in sheet.rows}) == len(sheet.rows):
            implied.append(number)
    of_models = [n for n in implied if sheet.header[n].startswith("model.")]
    names = [n for name in DISPENSABLE for n in columns if sheet.header[n] == name]
    unbounded = console.options.update(width=sys.maxsize)
    left_out: list[int] = []
    for number in dict.fromkeys([*same, *of_models, *names, *implied]):
        table = _table(sheet, [n for n in columns if n not in left_out], min_width=0)
        if console.measure(table, options=unbounded).maximum <= console.width:
            break
        left_out.append(number)
    shown = [n for n in columns if n not in left_out]
    table = _table(sheet, shown, min_width=WHOLE)
    if console.measure(table, options=unbounded).minimum > console.width:  # it would be cut
        table = _table(sheet, shown, min_width=0)
    return table, [sheet.header[n] for n in sorted(left_out)]


def _table(sheet: Sheet, shown: Sequence[int], *, min_width: int) -> Table:
    """Return some columns of a sheet; scores and intervals are not broken below min_width."""
    table = Table(title=sheet.title, title_justify="left", box=box.SIMPLE_HEAD)
    for n in shown:
        cells = [row[n] for row in sheet.rows]
        longest = max(map(len, cells))
        is_score = any(" ± " in cell or " to " in cell for cell in cells)
        table.add_column(
            sheet.header[n],
            overflow="fold",
            min_width=longest if is_score and longest <= min_width else None,
        )
    for row in sheet.rows:
        table.add_row(*(row[n] for n in shown))
    return table

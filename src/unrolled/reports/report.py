"""Reads runs, compares them, shows the table, and writes it."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from unrolled.errors import ConfigError, UnrolledError
from unrolled.reports.comparison import Comparison, compare, select
from unrolled.reports.formats import sheets, write_tables
from unrolled.reports.runs import Run, read_runs

log = logging.getLogger(__name__)

WIDE = 250  # characters, where nobody looks at a terminal


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
    """Print the sheets; nothing is cut where standard output is no terminal."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDE)
    for sheet in sheets(comparison):
        table = Table(*sheet.header, title=sheet.title, title_justify="left", box=box.SIMPLE_HEAD)
        for row in sheet.rows:
            table.add_row(*row)
        console.print(table)
    console.print(f"mean ± standard deviation over {comparison.repeats}", soft_wrap=True)

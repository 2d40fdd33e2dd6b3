"""Printing on a terminal: text that is not ours is neither markup nor terminal commands."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table

from unrolled.output import inert

WIDE = 250  # characters; the width if the output is a file
NEVER_DROPPED = sys.maxsize


class InertConsole(Console):
    """A console that prints neither control characters nor secrets, except its own colours."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Return the parts of a renderable, each with inert text."""
        for segment in super().render(renderable, options):
            is_ours = segment.control is not None
            yield segment if is_ours else segment._replace(text=inert(segment.text))


@dataclass(frozen=True)
class Column:
    """A column of a table.

    priority: the column with the lowest is dropped first if the table is too wide; NEVER_DROPPED
        is not dropped.
    is_whole: whether its cells may not be broken over lines, such as 96.00 ± 1.00.
    """

    header: str
    cells: tuple[str, ...]
    priority: int = NEVER_DROPPED
    is_whole: bool = False


def make_console() -> Console:
    """Return a console that prints inert text; square brackets and :names: stay as they are."""
    console = InertConsole(markup=False, emoji=False)
    if not console.is_terminal and not console.is_jupyter:
        console = InertConsole(markup=False, emoji=False, width=WIDE)
    return console


def fitting_table(
    columns: Sequence[Column], console: Console, *, title: str | None = None
) -> tuple[Table, list[str]]:
    """Return a table that is not wider than the console, and the headers of dropped columns.

    Of columns with the same priority, the right one is dropped first.
    """
    shown = list(range(len(columns)))
    widest = [_widest(column) for column in columns]
    unbounded = console.options.update(width=sys.maxsize)

    def measured(*, keep_whole: bool) -> Measurement:
        table = _table([widest[index] for index in shown], title, keep_whole=keep_whole)
        return console.measure(table, options=unbounded)

    while measured(keep_whole=False).maximum > console.width:
        lowest = min(reversed(shown), key=lambda index: columns[index].priority)
        if columns[lowest].priority == NEVER_DROPPED:
            break
        shown.remove(lowest)
    would_be_cut = measured(keep_whole=True).minimum > console.width
    table = _table([columns[index] for index in shown], title, keep_whole=not would_be_cut)
    return table, [column.header for index, column in enumerate(columns) if index not in shown]


def _widest(column: Column) -> Column:
    """Return a column of two cells that is as wide as this one.

    They are the cell with the longest line and the cell with the longest word, which determine the
    largest and the smallest width of the column. rich would measure every cell.
    """
    cells = {
        max(column.cells, key=lambda cell: max(map(cell_len, parts(cell)), default=0), default="")
        for parts in (str.splitlines, str.split)
    }
    return replace(column, cells=tuple((*cells, "")[:2]))


def _table(columns: Sequence[Column], title: str | None, *, keep_whole: bool = False) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in columns:
        longest = max(map(len, column.cells), default=0)
        table.add_column(
            column.header,
            overflow="fold",
            min_width=longest if keep_whole and column.is_whole else None,
        )
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*cells)
    return table

"""Printing on a terminal: text that is not ours is neither markup nor terminal commands."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

WIDE = 250  # characters; the width if the output is a file
ESCAPE_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI, for example a colour
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC, for example a window title
    r"|\x1b[@-_]"
)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tab and newline
NEVER_DROPPED = sys.maxsize


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
    """Return a console that prints square brackets and :names: as they are."""
    console = Console(markup=False, emoji=False)
    if not console.is_terminal and not console.is_jupyter:
        console = Console(markup=False, emoji=False, width=WIDE)
    return console


def clean(text: str) -> str:
    """Return text without terminal escape sequences and control characters."""
    return CONTROL.sub("", ESCAPE_SEQUENCE.sub("", text))


def fitting_table(
    columns: Sequence[Column], console: Console, *, title: str | None = None
) -> tuple[Table, list[str]]:
    """Return a table that is not wider than the console, and the headers of dropped columns.

    Of columns with the same priority, the right one is dropped first.
    """
    shown = list(columns)
    unbounded = console.options.update(width=sys.maxsize)
    while console.measure(_table(shown, title), options=unbounded).maximum > console.width:
        lowest = min(reversed(shown), key=lambda column: column.priority)
        if lowest.priority == NEVER_DROPPED:
            break
        shown.remove(lowest)
    table = _table(shown, title, keep_whole=True)
    if console.measure(table, options=unbounded).minimum > console.width:  # it would be cut
        table = _table(shown, title)
    return table, [column.header for column in columns if column not in shown]


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

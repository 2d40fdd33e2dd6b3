"""A date and a time of day in two columns, which `data.time='date time'` joins.

The time of day may be an hour, 0 to 23.
"""

import re
from collections.abc import Sequence

import pandas as pd

from unrolled.data.files.tabular import Table
from unrolled.data.files.time_cells import all_match

DATE = r"\d{4}-\d{2}-\d{2}|\d{1,2}\.\d{1,2}\.\d{4}|(1[5-9]|20)\d{6}"
TIME_OF_DAY = r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?"
HOUR = r"[01]?\d|2[0-3]"


def parts_of(time: str | None) -> list[tuple[str, str]]:
    """Return the pairs of names that a joined name can stand for; names may contain blanks.

    For example, `my date time` may be `my` and `date time`, or `my date` and `time`.
    """
    words = [] if time is None else time.split(" ")
    ends = range(1, len(words))
    return [(" ".join(words[:end]), " ".join(words[end:])) for end in ends]


def pair_in(name: str | None, columns: Sequence[str]) -> tuple[str, str] | None:
    """Return the two columns whose names a joined name stands for.

    Returns: None if there is a column of this name, or there are no such two columns.
    """
    if name is None or name in columns:
        return None
    pairs = (pair for pair in parts_of(name) if set(pair) <= set(columns))
    return next(pairs, None)


def join_time(table: Table, time: str | None) -> None:
    """Replace two columns by the time column that joins their names, if the table lacks it."""
    pair = pair_in(time, table.columns)
    if time is None or pair is None:
        return
    date, clock = pair
    cells = zip(table.text(date), map(_clock, table.text(clock)), strict=True)
    table.frame[time] = [f"{day} {moment}" for day, moment in cells]
    del table.frame[date], table.frame[clock]


def guess_joined(table: Table, names: list[str]) -> str | None:
    """Return the joined name of the only column of dates and the only one of times of day.

    names: columns that are considered.
    """
    dates = [name for name in names if all_match(table.frame[name], DATE)]
    clocks = [name for name in names if all_match(table.frame[name], TIME_OF_DAY)]
    clocks = clocks or [name for name in names if _is_hour(table.frame[name], name)]
    return f"{dates[0]} {clocks[0]}" if len(dates) == len(clocks) == 1 else None


def _clock(cell: str) -> str:
    """Return a time of day; a whole number is an hour."""
    return f"{int(cell):02}:00" if re.fullmatch(HOUR, cell) else cell


def _is_hour(column: pd.Series, name: str) -> bool:
    return re.fullmatch("h|hr|hours?", name, re.IGNORECASE) is not None and all_match(column, HOUR)


def is_time_of_day(cell: str) -> bool:
    """Return whether a cell is a time without a date, for example 13:05."""
    return re.fullmatch(TIME_OF_DAY, cell) is not None


def holds_dates(column: pd.Series) -> bool:
    """Return whether the cells are dates without a time, such as 2026-11-24 or 24.11.2026."""
    return column.dtype.kind not in "iufb" and all_match(column, DATE)

"""A date and a time of day in two columns, which `data.time='date time'` joins.

The time of day may be an hour, 0 to 23.
"""

import re

import pandas as pd

from unrolled.data.files.tabular import Table

DATE = r"\d{4}-\d{2}-\d{2}|\d{1,2}\.\d{1,2}\.\d{4}|(1[5-9]|20)\d{6}"
TIME_OF_DAY = r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?"
HOUR = r"[01]?\d|2[0-3]"
NUM_CELLS = 1000  # looked at


def parts_of(time: str | None) -> list[tuple[str, str]]:
    """Return the pairs of names that a joined name can stand for; names may contain blanks.

    For example, `my date time` may be `my` and `date time`, or `my date` and `time`.
    """
    words = [] if time is None else time.split(" ")
    ends = range(1, len(words))
    return [(" ".join(words[:end]), " ".join(words[end:])) for end in ends]


def join_time(table: Table, time: str | None) -> None:
    """Replace two columns by the time column that joins their names, if the table lacks it."""
    if time is None or time in table.columns:
        return
    for date, clock in parts_of(time):
        if date in table.columns and clock in table.columns:
            cells = zip(table.text(date), map(_clock, table.text(clock)), strict=True)
            table.frame[time] = [f"{day} {moment}" for day, moment in cells]
            del table.frame[date], table.frame[clock]
            return


def guess_joined(table: Table, names: list[str]) -> str | None:
    """Return the joined name of the only column of dates and the only one of times of day.

    names: columns that are considered.
    """
    dates = [name for name in names if _all_match(table.frame[name], DATE)]
    clocks = [name for name in names if _all_match(table.frame[name], TIME_OF_DAY)]
    clocks = clocks or [name for name in names if _is_hour(table.frame[name], name)]
    return f"{dates[0]} {clocks[0]}" if len(dates) == len(clocks) == 1 else None


def _clock(cell: str) -> str:
    """Return a time of day; a whole number is an hour."""
    return f"{int(cell):02}:00" if re.fullmatch(HOUR, cell) else cell


def _is_hour(column: pd.Series, name: str) -> bool:
    return re.fullmatch("h|hr|hours?", name, re.IGNORECASE) is not None and _all_match(column, HOUR)


def is_time_of_day(cell: str) -> bool:
    """Return whether a cell is a time without a date, for example 13:05."""
    return re.fullmatch(TIME_OF_DAY, cell) is not None


def holds_dates(column: pd.Series) -> bool:
    """Return whether the cells are dates without a time, such as 2026-11-24 or 24.11.2026."""
    return column.dtype.kind not in "iufb" and _all_match(column, DATE)


def _all_match(column: pd.Series, pattern: str) -> bool:
    cells = column.head(NUM_CELLS).astype(str).str.strip()
    return bool(len(cells)) and bool(cells.str.fullmatch(pattern).all())

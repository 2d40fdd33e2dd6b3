"""Cells that are written as dates, with or without a time of day: how to tell and to read them."""

import re

import pandas as pd

COMMA_BEFORE_FRACTION = re.compile(r"(?<=:\d\d),(?=\d)")
DAY_MONTH_YEAR = r"(\d{1,2})\.(\d{1,2})\.(\d{4})"
# Spellings that are read: 2026-11-24 13:05:00, or 24.11.2026 13:05.
READ = (
    r"(\d{4}-\d{2}-\d{2}|\d{1,2}\.\d{1,2}\.\d{4})"
    r"([ T] *\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?"
)
OTHER_DATE = r"(\d{1,2}[./]\d{1,2}[./](\d{4}|\d{2})|\d{4}[./]\d{1,2}[./]\d{1,2})"
OTHER = OTHER_DATE + r"([ T,]+\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[AaPp][Mm])?)?"
NUM_CELLS = 1000  # looked at


def read_dates(cells: pd.Series) -> pd.Series:
    """Return texts as dates; NaT if a cell is not written in a spelling that is read."""
    dates = _iso_dates(cells)
    return _iso_dates(cells.map(_as_iso)) if dates.isna().any() else dates


def looks_like_times(column: pd.Series) -> bool:
    """Return whether the cells are dates, with or without a time, in any common spelling."""
    return holds_readable_times(column) or (
        column.dtype.kind not in "iufbmM" and all_match(column.dropna(), OTHER)
    )


def holds_readable_times(column: pd.Series) -> bool:
    """Return whether the cells are dates, with or without a time, in a spelling that is read."""
    return column.dtype.kind == "M" or (
        column.dtype.kind not in "iufb" and all_match(column.dropna(), READ)
    )


def time_remedy(cell: str) -> str | None:
    """Return what to do about a time in a column of numbers, or None if the cell is no time."""
    if re.fullmatch(READ, cell):
        return "; for a column of times, type data.time=COLUMN"
    if re.fullmatch(OTHER, cell):
        return "; write times as 2026-11-24 13:05:00 and type data.time=COLUMN"
    return None


def all_match(column: pd.Series, pattern: str) -> bool:
    """Return whether the first cells match a pattern; no cells do not."""
    cells = column.head(NUM_CELLS).astype(str).str.strip()
    return bool(len(cells)) and bool(cells.str.fullmatch(pattern).all())


def _iso_dates(cells: pd.Series) -> pd.Series:
    return pd.to_datetime(cells, format="ISO8601", errors="coerce", utc=True)


def _as_iso(cell: str) -> str:
    """Return a time as pandas reads it: 1.3.2024 8:05:00,25 becomes 2024-03-01 8:05:00.25.

    Dates with points have the day before the month everywhere. Dates with slashes do not, and are
    refused.
    """
    cell = COMMA_BEFORE_FRACTION.sub(".", cell)
    if found := re.fullmatch(DAY_MONTH_YEAR + r"(?:[T ] *(.*))?", cell):
        day, month, year, moment = found.groups()
        cell = f"{year}-{int(month):02}-{int(day):02}" + (f" {moment}" if moment else "")
    return cell

"""Cells that are written as dates, with or without a time of day."""

import re

import pandas as pd

ISO = r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?"
OTHER_DATE = r"(\d{1,2}[./]\d{1,2}[./](\d{4}|\d{2})|\d{4}[./]\d{1,2}[./]\d{1,2})"
OTHER = OTHER_DATE + r"([ T,]+\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[AaPp][Mm])?)?"
NUM_CELLS = 1000  # looked at


def looks_like_times(column: pd.Series) -> bool:
    """Return whether the cells are dates, with or without a time, in any common spelling."""
    return holds_iso_times(column) or (
        column.dtype.kind not in "iufbmM" and all_match(column.dropna(), OTHER)
    )


def holds_iso_times(column: pd.Series) -> bool:
    """Return whether the cells are ISO dates, with or without a time, as 2026-11-24 13:05:00."""
    return column.dtype.kind == "M" or (
        column.dtype.kind not in "iufb" and all_match(column.dropna(), ISO)
    )


def time_remedy(cell: str) -> str | None:
    """Return what to do about a time in a column of numbers, or None if the cell is no time."""
    if re.fullmatch(ISO, cell):
        return "; for a column of times, type data.time=COLUMN"
    if re.fullmatch(OTHER, cell):
        return "; write times as 2026-11-24 13:05:00 and type data.time=COLUMN"
    return None


def all_match(column: pd.Series, pattern: str) -> bool:
    """Return whether the first cells match a pattern; no cells do not."""
    cells = column.head(NUM_CELLS).astype(str).str.strip()
    return bool(len(cells)) and bool(cells.str.fullmatch(pattern).all())

"""Guesses the label column."""

import re

import pandas as pd

from unrolled.data.files.archive_tables import archive_label
from unrolled.data.files.labels import refuse_other_tasks
from unrolled.data.files.tabular import EMPTY_CELLS, Table, shown
from unrolled.data.files.time_cells import looks_like_times
from unrolled.errors import DataError

# Typical names, the likeliest first.
LABELS = (r"label|labels", r"class|target|category|activity", r".*[_ ](label|class)|kind", r"y")
MOST_CLASSES = 100


def require_label(table: Table) -> str:
    """Return the column that looks most like a label.

    Raises:
        DataError: no column looks like one, or the likeliest is a number to predict.
    """
    label = guess_label(table)
    if label is not None:
        return label
    patterns = LABELS[:-1] if "x" in table.columns else LABELS  # y may be an axis
    for name in table.columns:
        if re.fullmatch("|".join(patterns), name, re.IGNORECASE):
            refuse_other_tasks(table.labels(name), table.path, num_labels=len(table))
    raise DataError(
        f"{table.path}: which column is the label? Type label=COLUMN, one of {shown(table.columns)}"
    )


def guess_label(table: Table) -> str | None:
    """Return the column that looks most like a label, or None."""
    frame = table.frame
    for pattern in LABELS:
        for name in map(str, frame):
            if re.fullmatch(pattern, name, re.IGNORECASE) and _can_be_classes(frame, name):
                return name
    words = [
        str(name)
        for name in frame
        if share_of_numbers(frame[name]) < 1
        and 2 <= frame[name].nunique() <= min(MOST_CLASSES, len(frame) / 2)
        and not looks_like_times(frame[name])
    ]
    if words:
        return words[-1]
    return archive_label(table)


def _can_be_classes(frame: pd.DataFrame, name: str) -> bool:
    """Return whether a column has few enough values to be the label."""
    column = frame[name]
    num = column.nunique()
    if column.dtype.kind == "f" and not (column.dropna() == column.dropna().round()).all():
        return False
    return bool(num <= MOST_CLASSES or num <= len(frame) / 2)


def share_of_numbers(column: pd.Series) -> float:
    """Return the share of cells that are numbers, 0 to 1; 1 if there are no cells."""
    if column.dtype.kind in "iuf":
        return 1.0
    cells = column.dropna().astype(str).str.strip()
    cells = cells[~cells.str.lower().isin(EMPTY_CELLS)]
    return float(pd.to_numeric(cells, errors="coerce").notna().mean()) if len(cells) else 1.0

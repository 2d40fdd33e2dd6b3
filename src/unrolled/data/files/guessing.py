"""What the columns of a table mean, guessed from their names and from what stands in them."""

import re
from dataclasses import dataclass

import pandas as pd

from unrolled.data.files.tabular import EMPTY_CELLS, Table, shown
from unrolled.errors import DataError

NAMES = {
    "id": r"id|.*[_ .-]id|sequence|series|recording|trial|sample|subject|name|file",
    "time": r"t|step|time(stamp)?|date(time)?|minute|second|hour|day|frame|index|.*_(time|step)",
    "label": r"label|class|target|category|y|kind|.*[_ ](label|class)",
}
MOST_CLASSES = 100
MOST_WORDS = 50  # of a column that is to become features
MOSTLY = 0.8  # share of a column's cells that are numbers, from which the others are mistakes


@dataclass(frozen=True)
class Guess:
    """Columns by what they mean; words that are too many to be features are left out."""

    form: str
    id: str | None
    time: str | None
    label: str
    features: tuple[str, ...]
    categorical: tuple[str, ...]
    left_out: list[str]


def guess(table: Table, *, known: dict[str, str | None]) -> Guess:
    """Return what the columns mean.

    known: what the user says, under id, time, label.

    Raises:
        DataError: no column looks like a label, or there is no column that is named in known.
    """
    table.require(known.values())
    frame = pd.DataFrame({name: table.cells(name) for name in table.columns})
    missing = frame.map(lambda cell: cell.lower() in EMPTY_CELLS)
    numbers = {str(name): _share_of_numbers(frame[name][~missing[name]]) for name in frame}
    label = known["label"] or _named(frame, "label") or _last_of_words(frame, numbers)
    if label is None:
        raise DataError(
            f"{table.path}: which column is the label? label=COLUMN, of {shown(table.columns)}"
        )
    others = [name for name in frame if name != label]
    identity = known["id"] or _named(frame[others], "id") or _repeated(frame, others, label)
    is_long = identity is not None and frame[identity].duplicated().any()
    others = [name for name in others if name != identity]
    time = None
    if is_long:
        time = known["time"] or _named(frame[others], "time")
        others = [name for name in others if name != time]
    words = [name for name in others if numbers[name] < MOSTLY]
    left_out = [name for name in words if frame[name].nunique() > MOST_WORDS or not is_long]
    features = [name for name in others if name not in left_out]
    return Guess(
        form="long" if is_long else "wide",
        id=identity,
        time=time,
        label=label,
        features=tuple(features),
        categorical=tuple(name for name in words if name not in left_out),
        left_out=left_out,
    )


def _share_of_numbers(cells: pd.Series) -> float:
    """Return which share of a column's cells are numbers; 1 if there is none."""
    return float(pd.to_numeric(cells, errors="coerce").notna().mean()) if len(cells) else 1.0


def _named(frame: pd.DataFrame, meaning: str) -> str | None:
    """Return the first column whose name says that it is the id, time or label."""
    pattern = re.compile(NAMES[meaning], re.IGNORECASE)
    return next((str(name) for name in frame if pattern.fullmatch(str(name))), None)


def _last_of_words(frame: pd.DataFrame, numbers: dict[str, float]) -> str | None:
    """Return the last column of words that are few enough to be classes."""
    found = [
        str(name)
        for name in frame
        if numbers[str(name)] < 1
        and 2 <= frame[name].nunique() <= min(MOST_CLASSES, len(frame) / 2)
    ]
    return found[-1] if found else None


def _repeated(frame: pd.DataFrame, others: list[str], label: str) -> str | None:
    """Return the first column whose values repeat, each with one label: it names sequences."""
    for name in others:
        column = frame[name]
        is_fraction = column.str.contains(".", regex=False).any()
        if is_fraction or not column.duplicated().any() or column.nunique() < 2:
            continue
        if bool((frame.groupby(name)[label].nunique() == 1).all()):
            return name
    return None

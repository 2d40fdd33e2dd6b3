"""Guesses the columns of times."""

import re

import pandas as pd

from unrolled.data.files.keys import increases, moments
from unrolled.data.files.time_cells import holds_readable_times, looks_like_times

# Typical names, the likeliest first.
TIMES = (
    r"time(stamp)?|date_?time|date|.*_time(stamp)?",
    r"t|step|minute|second|hour|day|frame|index|.*_(step|index)|sample.*|.*_(ms|ns|us|s)|month|year",
)


def columns_of_times(frame: pd.DataFrame, names: list[str], known: str | None) -> list[str]:
    """Return the columns that hold times by their names or their cells."""
    return [
        name
        for name in names
        if name == known
        or looks_like_times(frame[name])
        or (
            re.fullmatch(TIMES[0], name, re.IGNORECASE) is not None
            and frame[name].dtype.kind in "iuf"
        )
    ]


def guess_time(frame: pd.DataFrame, names: list[str], identity: str | None) -> str | None:
    """Return the first column with a typical name whose values order the steps of a sequence.

    Without such a name, return the only column of ISO dates that increase within sequences.
    """
    named = []
    for pattern in TIMES:
        for name in names:
            if re.fullmatch(pattern, name, re.IGNORECASE) and name not in named:
                named.append(name)
    for name in named:
        column = frame[name]
        is_unique = not frame.duplicated([identity, name]).any()
        if is_unique and (column.dtype.kind != "f" or _is_ordered(frame, name, identity)):
            return name
    if named and re.fullmatch(TIMES[0], named[0], re.IGNORECASE):
        return named[0]
    dates = [name for name in names if holds_readable_times(frame[name])]
    if len(dates) == 1 and identity and increases(moments(frame[dates[0]]), frame, identity):
        return dates[0]
    return None


def _is_ordered(frame: pd.DataFrame, name: str, identity: str | None) -> bool:
    gaps = frame.groupby(identity, sort=False)[name].diff().dropna()
    return bool((gaps >= 0).all()) or re.fullmatch(TIMES[0], name, re.IGNORECASE) is not None

"""Guesses whether each row of a table is a step, and the column that names the sequences."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from unrolled.data.files.bookkeeping import OWNER_NAMES
from unrolled.data.files.joined_columns import join_id
from unrolled.data.files.keys import guess_key
from unrolled.data.files.likely_time import columns_of_times
from unrolled.data.files.tabular import Table, shown
from unrolled.data.files.time_cells import looks_like_times
from unrolled.data.files.wide_names import parse_names
from unrolled.errors import DataError

# Typical names, the likeliest first.
IDS = (
    r"id|.*[_ .-]id",
    r"(subject|patient|user|person|trial|sample|recording|sequence|case|session)id",
    r"sequence|series|recording|record|rec|trial|(file|subject)?_?name|file|sample|subject|user",
)


@dataclass(frozen=True)
class Rows:
    """The meaning of a row.

    is_long: whether it is a step; otherwise it is a sequence.
    identity: the column that names the sequences, or None.
    group: the column that names the owners of sequences, or None.
    """

    is_long: bool
    identity: str | None
    group: str | None = None


def guess_rows(
    table: Table,
    label: str,
    *,
    known: dict[str, str | None],
    form: str | None,
    warnings: list[str],
) -> Rows:
    """Return the meaning of the rows. For known and form see `guess`.

    warnings: gets what may be wrong.

    Raises:
        DataError: each row seems to be a step, but no column names the sequences.
    """
    frame = table.frame
    names = [name for name in table.columns if name != label]
    identity = known["id"] or _guess_id(frame, names, label)
    is_long = identity is not None and bool(frame[identity].duplicated().any())
    times = columns_of_times(frame, names, known["time"])
    if known["id"] is None and form != "wide" and not is_long:
        identity, is_long = _without_typical_id(
            table, names, identity, label=label, times=times, is_long=form == "long"
        )
        if is_long and identity not in names:
            warnings.append(f"no single column names the sequences; {identity!r} joins two columns")
        elif not is_long and identity is None and times:
            warnings.append(
                f"each row is read as a sequence, but column {times[0]!r} holds times; if each row "
                f"is a step, type id=COLUMN"
            )
    elif form is not None:
        identity = None if is_long and known["id"] is None and form == "wide" else identity
        is_long = form == "long"
    if is_long and known["id"] is None and form is None:
        names = [name for name in names if name in table.columns]
        if _looks_wide(names, identity, table.frame, known["time"]):
            warnings.append(
                f"{identity!r} repeats, and the columns count steps: each row is a sequence"
            )
            return Rows(is_long=False, identity=None, group=identity)
    return Rows(is_long, identity)


def _without_typical_id(
    table: Table,
    names: list[str],
    identity: str | None,
    *,
    label: str,
    times: list[str],
    is_long: bool,
) -> tuple[str | None, bool]:
    """Return the id of a table without a repeated id, and whether it is in long form.

    identity: a column that differs in each row, or None.
    times: columns that hold times.
    is_long: whether the user has typed this.

    Raises:
        DataError: each row seems to be a step, but no column names the sequences.
    """
    frame = table.frame
    steps = [name for name in names if frame[name].dtype.kind in "iuf" and name not in times]
    if (
        parse_names([name for name in steps if name != identity]).moments is not None
        and not is_long
    ):
        return identity, False
    keys = [name for name in names if name not in times]
    is_step = bool(times) or is_long
    key = guess_key(frame, keys, label=label) if is_step or identity is None else None
    if key is not None:
        join_id(table, " ".join(key), kept=set())
        return " ".join(key), True
    if is_step:
        why = f"column {times[0]!r} holds times" if times else "form=long"
        raise DataError(
            f"{table.path}: {why}, so each row is a step, but which column names the "
            f"sequence of each row? Type id=COLUMN, one of {shown(keys)}, or id='A B' for two "
            f"columns, or add such a column to the file. If each row is a sequence, type form=wide"
        )
    return identity, False


def _guess_id(frame: pd.DataFrame, names: list[str], label: str) -> str | None:
    for pattern in IDS:
        for name in names:
            if re.fullmatch(pattern, name, re.IGNORECASE) and not _counts_steps(frame[name]):
                return name
    return next((name for name in names if _repeats(frame, name, label)), None)


def _counts_steps(column: pd.Series) -> bool:
    """Return whether a column counts up and begins again, as the number of a sample does."""
    if column.dtype.kind not in "iu" or not column.duplicated().any():
        return False
    gaps = np.diff(column.to_numpy())
    return bool((gaps == 1).mean() > 0.5)


def _repeats(frame: pd.DataFrame, name: str, label: str) -> bool:
    """Return whether values repeat in consecutive rows, each with one label: a likely id."""
    column = frame[name]
    if column.dtype.kind == "f" or not column.duplicated().any() or column.nunique() < 2:
        return False
    if looks_like_times(column):
        return False
    codes = pd.factorize(column)[0]
    runs = 1 + int((np.diff(codes) != 0).sum())
    if column.dtype.kind in "iub" and runs != column.nunique():
        return False
    # NaN counts as a class, because one may be called None
    return bool((frame.groupby(name)[label].nunique(dropna=False) == 1).all())


def _looks_wide(
    names: list[str], identity: str | None, frame: pd.DataFrame, time: str | None
) -> bool:
    """Return whether a table with a repeated subject has a column for each of several steps."""
    others = [name for name in names if name != identity]
    numeric = [name for name in others if frame[name].dtype.kind in "iuf"]
    counted = parse_names(numeric)
    return (
        time is None
        and identity is not None
        and re.fullmatch(OWNER_NAMES, identity, re.IGNORECASE) is not None
        and counted.moments is not None
        and max(map(len, counted.columns.values())) > 2
        and not counted.others
    )

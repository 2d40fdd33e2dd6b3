"""Whether the columns that are to name the sequences of a table merge several sequences."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from unrolled.data.files.time_cells import read_dates

MOST_COLUMNS = 8  # of which pairs are tried


@dataclass(frozen=True)
class Restart:
    """A column that changes within sequences, and names more plausible ones together with the id.

    column: its name.
    num_changes: sequences in which it changes.
    num_ids: all sequences.
    """

    column: str
    num_changes: int
    num_ids: int

    def message(self, identity: str) -> str:
        """Return a warning that ends before the setting to type.

        identity: the column of the ids.
        """
        return (
            f"column {self.column!r} changes within {self.num_changes} of {self.num_ids} sequences "
            f"of {identity!r}; if the values of {identity!r} restart for each {self.column!r}, type"
        )

    def remedy(self, identity: str) -> str:
        """Return the setting that joins both columns, without the group of settings."""
        return f"id='{self.column} {identity}'"


def find_restart(
    frame: pd.DataFrame, identity: str, names: Sequence[str], *, label: str, time: str | None
) -> Restart | None:
    """Return a column without which the id merges sequences, or None if there is no sign of it.

    A sign is that the rows of an id are not together, that its label changes, or that a time
    repeats or goes back. The column together with the id must not have one of these signs.

    names: columns that are considered.
    """
    times = None if time is None else moments(frame[time])
    own = _faults(frame, [identity], label=label, times=times)
    if not own:
        return None
    for name in names:
        if frame[name].dtype.kind == "f" or frame[name].nunique() < 2:
            continue
        both = _faults(frame, [name, identity], label=label, times=times)
        gone = own - both
        if not _faults(frame, [name], label=label, times=None) & {"labels"}:
            gone -= {"labels"}  # the column alone gives the label, as a copy of it does
        changes = frame.groupby(identity, observed=True)[name].nunique() > 1
        num_pairs = int(_codes(frame, [name, identity]).max()) + 1
        if gone and changes.any() and 2 * num_pairs <= len(frame):
            return Restart(name, int(changes.sum()), len(changes))
    return None


def guess_key(frame: pd.DataFrame, names: Sequence[str], *, label: str) -> tuple[str, ...] | None:
    """Return one or two columns that name sequences of consecutive rows, or None.

    Each sequence has one label.

    names: columns that are considered.
    """
    slow = [
        name
        for name in names
        if frame[name].dtype.kind != "f"
        and frame[name].nunique() > 1
        and 2 * _num_blocks(_codes(frame, [name])) <= len(frame)
    ]
    slow = slow[:MOST_COLUMNS]
    keys = (*combinations(slow, 1), *combinations(slow, 2))
    return next((key for key in keys if not _faults(frame, key, label=label, times=None)), None)


def moments(column: pd.Series) -> npt.NDArray[np.float64]:
    """Return times as numbers, (rows,), NaN for a cell that is no number and no date."""
    kind = column.dtype.kind
    values = column
    if kind not in "iufmM":
        values = pd.to_numeric(column.astype(object), errors="coerce")
    if kind == "M" or values.isna().all():
        dates = column if kind == "M" else read_dates(column.astype(str))
        values = dates - dates.min()
    if values.dtype.kind == "m":
        values = values.dt.total_seconds()
    return np.asarray(values, dtype=np.float64)


def increases(times: npt.NDArray[np.float64], frame: pd.DataFrame, identity: str) -> bool:
    """Return whether no time is missing, and each is later than the one before in its sequence."""
    codes = _codes(frame, [identity])
    rows = np.argsort(codes, kind="stable")
    is_later = np.diff(times[rows]) > 0
    return not np.isnan(times).any() and bool((is_later | (np.diff(codes[rows]) != 0)).all())


def _faults(
    frame: pd.DataFrame, key: Sequence[str], *, label: str, times: npt.NDArray[np.float64] | None
) -> set[str]:
    """Return the signs that the rows with equal values in some columns are several sequences."""
    codes = _codes(frame, key)
    found = set()
    if _num_blocks(codes) > codes.max() + 1:
        found.add("blocks")
    labels = pd.factorize(frame[label])[0]
    first = np.unique(codes, return_index=True)[1]
    if (labels != labels[first][codes]).any():
        found.add("labels")
    if times is not None:
        rows = np.argsort(codes, kind="stable")
        is_same = np.diff(codes[rows]) == 0
        if (np.diff(times[rows])[is_same] < 0).any():
            found.add("order")
        rows = np.lexsort((times, codes))
        if (np.diff(times[rows])[np.diff(codes[rows]) == 0] == 0).any():
            found.add("repeated")
    return found


def _codes(frame: pd.DataFrame, key: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the number of the combination of values in each row, (rows,), counted from 0."""
    codes = np.zeros(len(frame), dtype=np.int64)
    for name in key:
        column = pd.factorize(frame[name], use_na_sentinel=False)[0]
        codes = pd.factorize(codes * (column.max() + 1) + column)[0]
    return codes


def _num_blocks(codes: npt.NDArray[np.int64]) -> int:
    return 1 + int((np.diff(codes) != 0).sum())

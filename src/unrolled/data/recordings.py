"""Labelled recordings of any length, as files give them: before padding, filling and splitting."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from unrolled.contracts import Sequences
from unrolled.data.tabular import Table, shown
from unrolled.errors import DataError

SINCE = "time since the step before"


@dataclass(frozen=True)
class Recordings:
    """Sequences of one file, NaN where a value is missing.

    ids: name of each sequence, (n,).
    values: features, n arrays of shape (t_i, d), float32.
    labels: class name of each sequence, or None where the file has none.
    feature_names: (d,).
    groups: what must not stand on two sides of a split, or None.
    starts: time of the first step in seconds or steps, or None.
    """

    ids: Sequence[str]
    values: Sequence[npt.NDArray[np.float32]]
    labels: Sequence[str] | None
    feature_names: Sequence[str]
    groups: Sequence[str] | None
    starts: Sequence[float] | None

    def __len__(self) -> int:
        return len(self.ids)

    def sorted(self) -> "Recordings":
        """Return the recordings by their ids: what comes of them owes nothing to a file's order."""
        order = sorted(range(len(self)), key=lambda row: self.ids[row])

        def take(column: Sequence[Any] | None) -> Any:
            return None if column is None else [column[row] for row in order]

        return Recordings(
            ids=take(self.ids),
            values=take(self.values),
            labels=take(self.labels),
            feature_names=self.feature_names,
            groups=take(self.groups),
            starts=take(self.starts),
        )

    def as_sequences(self, class_names: Sequence[str], *, first_id: int) -> Sequences:
        """Return padded tensors; labels are numbered as in class_names, or 0 where there are none.

        Labels must be among class_names.
        """
        number_of = {name: number for number, name in enumerate(class_names)}
        lengths = [len(value) for value in self.values]
        x = torch.zeros(len(self), max(lengths), len(self.feature_names))
        for row, value in enumerate(self.values):
            x[row, : len(value)] = torch.from_numpy(value)
        labels = [number_of[name] for name in self.labels] if self.labels else [0] * len(self)
        return Sequences(
            x=x,
            lengths=torch.tensor(lengths),
            y=torch.tensor(labels),
            ids=torch.arange(first_id, first_id + len(self)),
        )


def from_rows(
    table: Table,
    *,
    values: npt.NDArray[np.float32],
    feature_names: Sequence[str],
    ids: Sequence[str],
    times: npt.NDArray[np.float64] | None,
    time_feature: bool,
    labels: Sequence[str] | None,
    groups: Sequence[str] | None,
) -> Recordings:
    """Return the recordings of a table that has a row per step.

    values: features of each row, (rows, d).
    ids, labels, groups: of each row.
    times: of each row, or None where rows stand in order.
    time_feature: whether the time since the step before, 0 at the first, is a further feature.

    Raises:
        DataError: a time occurs twice, or a label or group changes, within one sequence.
    """
    codes, names = pd.factorize(np.asarray(ids, dtype=object))
    order = np.argsort(codes, kind="stable") if times is None else np.lexsort((times, codes))
    bounds = np.searchsorted(codes[order], np.arange(len(names) + 1))
    if times is not None:
        sorted_times, sorted_codes = times[order], codes[order]
        twice = (np.diff(sorted_times) == 0) & (np.diff(sorted_codes) == 0)
        if twice.any():
            at = int(twice.argmax())
            first, second = sorted(int(row) for row in order[[at, at + 1]])
            raise DataError(
                f"{table.place(second)}: sequence {names[codes[first]]!r} has this "
                f"time already, {table.place(first, short=True)}; a time may occur "
                f"once in a sequence ({int(twice.sum())} are repeated)"
            )
    firsts = order[bounds[:-1]]
    if time_feature and times is not None:
        since = np.diff(times[order], prepend=0.0)
        since[bounds[:-1]] = 0.0
        column = np.empty((len(values), 1), dtype=np.float32)
        column[order, 0] = since
        values = np.hstack([values, column])
        feature_names = [*feature_names, SINCE]
    return Recordings(
        ids=[str(name) for name in names],
        values=[values[order[start:end]] for start, end in pairwise(bounds)],
        labels=_constant(table, labels, codes, names, what="label"),
        feature_names=feature_names,
        groups=_constant(table, groups, codes, names, what="group"),
        starts=None if times is None else times[firsts].tolist(),
    )


def _constant(
    table: Table,
    column: Sequence[str] | None,
    codes: npt.NDArray[np.intp],
    names: npt.NDArray[Any],
    *,
    what: str,
) -> list[str] | None:
    """Return the one value of each sequence, or refuse a sequence that has several."""
    if column is None:
        return None
    array = np.asarray(column, dtype=object)
    _, firsts = np.unique(codes, return_index=True)
    wrong = array != array[firsts][codes]
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{table.place(row)}: sequence {names[codes[row]]!r} has the {what} {array[row]!r} "
            f"here and {array[firsts[codes[row]]]!r} before; need one for the whole sequence"
        )
    return [str(value) for value in array[firsts]]


def class_names_of(labels: Sequence[str], *, path: str) -> list[str]:
    """Return the classes in order: by number where all are numbers, else by letter.

    Raises:
        DataError: fewer than two.
    """
    names = set(labels)
    if len(names) < 2:
        raise DataError(f"{path}: need at least two classes, found {shown(names)}")
    try:
        return sorted(names, key=lambda name: (float(name), name))
    except ValueError:
        return sorted(names)


def numbered(num: int) -> list[str]:
    """Return names for sequences that have none; they sort as they count."""
    width = len(str(num - 1))
    return [f"{number:0{width}d}" for number in range(num)]

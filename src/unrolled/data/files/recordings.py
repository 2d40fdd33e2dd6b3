"""Labelled recordings of any length, as files give them: before padding, filling and splitting."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from unrolled.contracts import Sequences
from unrolled.data.files.resampling import resample
from unrolled.data.files.tabular import Table, shown
from unrolled.errors import DataError

REMEDY = (
    "; data.window.size=STEPS data.window.label=last, majority or any cuts windows that have one"
)
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
    step_labels: class name of each step of each sequence, where they change within one and are
        allowed to; labels are then those of most steps.
    parts: train, val or test, as a column says, or None.
    """

    ids: Sequence[str]
    values: Sequence[npt.NDArray[np.float32]]
    labels: Sequence[str] | None
    feature_names: Sequence[str]
    groups: Sequence[str] | None
    starts: Sequence[float] | None
    step_labels: Sequence[Sequence[str]] | None = None
    parts: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def sorted(self) -> "Recordings":
        """Return the recordings by their ids: what comes of them owes nothing to a file's order."""
        return self.take(sorted(range(len(self)), key=lambda row: self.ids[row]))

    def take(self, rows: Sequence[int]) -> "Recordings":
        """Return the recordings of these rows, in that order."""

        def of(column: Sequence[Any] | None) -> Any:
            return None if column is None else [column[row] for row in rows]

        return Recordings(
            ids=of(self.ids),
            values=of(self.values),
            labels=of(self.labels),
            feature_names=self.feature_names,
            groups=of(self.groups),
            starts=of(self.starts),
            step_labels=of(self.step_labels),
            parts=of(self.parts),
        )

    def every_label(self) -> set[str]:
        """Return the class names that occur."""
        steps = () if self.step_labels is None else (set(some) for some in self.step_labels)
        return {str(name) for name in set(self.labels or ()).union(*steps)}

    def refuse_missing(self, path: Path, *, first_step: int) -> None:
        """Refuse a value that is missing.

        path: for the message.
        first_step: which step of its sequence the first step here is.

        Raises:
            DataError: names sequence, step and feature.
        """
        for name, value in zip(self.ids, self.values, strict=True):
            missing = np.isnan(value)
            if missing.any():
                step, feature = np.argwhere(missing)[0]
                raise DataError(
                    f"{path}, sequence {name!r}, step {first_step + step}, feature "
                    f"{self.feature_names[feature]!r}: a value is missing; "
                    f"data.missing=forward, mean or mask fills them"
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
        step_y = None
        if self.step_labels is not None:
            step_y = torch.zeros(x.shape[:2], dtype=torch.long)
            for row, names in enumerate(self.step_labels):
                step_y[row, : len(names)] = torch.tensor([number_of[name] for name in names])
        return Sequences(
            x=x,
            lengths=torch.tensor(lengths),
            y=torch.tensor(labels),
            ids=torch.arange(first_id, first_id + len(self)),
            step_y=step_y,
        )


def from_rows(
    table: Table,
    *,
    values: npt.NDArray[np.float32],
    feature_names: Sequence[str],
    ids: Sequence[str],
    times: npt.NDArray[np.float64] | None,
    time_feature: bool,
    interval: float | None,
    held: npt.NDArray[np.bool_],
    labels: Sequence[str] | None,
    labels_may_change: bool,
    groups: Sequence[str] | None,
    parts: Sequence[str] | None,
) -> Recordings:
    """Return the recordings of a table that has a row per step.

    values: features of each row, (rows, d).
    ids, labels, groups, parts: of each row.
    times: of each row, or None where rows stand in order.
    time_feature: whether the time since the step before, 0 at the first, is a further feature.
    interval: between the steps that come out, or None for those that stand there.
    held: which features keep their last value between steps, (d,).

    Raises:
        DataError: a time occurs twice, or a group, part or label (unless it may) changes, within
            one sequence.
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
    label_of_row = _changing(labels, codes) if labels is not None and labels_may_change else None
    if label_of_row is None:
        constant = _constant(table, labels, codes, names, what="label", remedy=REMEDY)
    values = values[order]
    if times is not None:
        times = times[order]
        if interval is not None:
            values, times, sources, bounds = resample(
                values, times, bounds, interval=interval, held=held
            )
            order = order[sources]
        if time_feature:
            since = np.diff(times, prepend=0.0)
            since[bounds[:-1]] = 0.0
            values = np.hstack([values, since.astype(np.float32)[:, None]])
            feature_names = [*feature_names, SINCE]
    pieces = list(pairwise(bounds))
    step_labels = None
    if label_of_row is not None:
        step_labels = [label_of_row[order[start:end]].tolist() for start, end in pieces]
        constant = [str(Counter(some).most_common(1)[0][0]) for some in step_labels]
    return Recordings(
        ids=[str(name) for name in names],
        values=[values[start:end] for start, end in pieces],
        labels=constant,
        feature_names=feature_names,
        groups=_constant(table, groups, codes, names, what="group"),
        starts=None if times is None else times[bounds[:-1]].tolist(),
        step_labels=step_labels,
        parts=_constant(table, parts, codes, names, what="part"),
    )


def _changing(labels: Sequence[str], codes: npt.NDArray[np.intp]) -> npt.NDArray[np.object_] | None:
    """Return the label of each row, or None where no sequence has several."""
    array = np.asarray(labels, dtype=object)
    _, firsts = np.unique(codes, return_index=True)
    return array if (array != array[firsts][codes]).any() else None


def _constant(
    table: Table,
    column: Sequence[str] | None,
    codes: npt.NDArray[np.intp],
    names: npt.NDArray[Any],
    *,
    what: str,
    remedy: str = "",
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
            f"{remedy}"
        )
    return [str(value) for value in array[firsts]]


def class_names_of(labels: Iterable[str], *, path: str) -> list[str]:
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

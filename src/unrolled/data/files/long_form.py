"""Tables in long form: a row per step."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from unrolled.data.files.annotations import Annotations
from unrolled.data.files.clock import Clock
from unrolled.data.files.recordings import Recordings
from unrolled.data.files.resampling import interval_in, resample
from unrolled.data.files.schema import Schema
from unrolled.data.files.tabular import Table
from unrolled.errors import DataError

WINDOW_REMEDY = (
    "; to classify windows of it, use data.window.size=STEPS data.window.label=last (or majority, "
    "any)"
)
TIME_FEATURE = "time since the previous step"

Rows = npt.NDArray[np.intp]  # rows of the table, (t,)


@dataclass(frozen=True)
class Steps:
    """The steps of one sequence in order.

    rows: row of the table that each step comes from, (t,).
    values: features, (t, d).
    times: (t,), or None if the table has no times.
    """

    rows: Rows
    values: npt.NDArray[np.float64]
    times: npt.NDArray[np.float64] | None


def from_long_rows(
    table: Table, *, schema: Schema, annotations: Annotations, labels_may_change: bool
) -> Recordings:
    """Return the recordings of a table that has a row per step.

    schema: with features and categories.
    annotations: with ids.
    labels_may_change: whether a sequence may have several labels.

    Raises:
        DataError: a cell is invalid, a time occurs twice in a sequence, or a sequence has several
            groups, splits or (unless they may change) labels.
    """
    assert annotations.ids is not None
    values, feature_names = schema.encode(table)
    clock = None if schema.time is None else Clock(schema.time)
    times = None if clock is None else clock.read(table)
    interval = None if clock is None else interval_in(table, clock, schema.resample)

    sequences = _rows_of_sequences(annotations.ids, times)
    ids = [annotations.ids[rows[0]] for rows in sequences]
    if times is not None:
        _refuse_repeated_times(table, times, ids, sequences)
    has_step_labels = labels_may_change and _changes(annotations.labels, sequences)
    labels = None
    if not has_step_labels:
        labels = _constant(
            table, annotations.labels, ids, sequences, what="label", remedy=WINDOW_REMEDY
        )
    groups = _constant(table, annotations.groups, ids, sequences, what="group")
    splits = _constant(table, annotations.splits, ids, sequences, what="split")

    steps = [
        Steps(rows, values[rows], None if times is None else times[rows]) for rows in sequences
    ]
    if interval is not None:
        held = np.isin(feature_names, schema.category_features)
        steps = [_resampled(one, interval=interval, held=held) for one in steps]
    if schema.time_feature:
        steps = [_with_time_feature(one) for one in steps]
        feature_names = [*feature_names, TIME_FEATURE]
    step_labels = None
    if has_step_labels:
        assert annotations.labels is not None
        of_row = np.asarray(annotations.labels, dtype=object)
        step_labels = [of_row[one.rows].tolist() for one in steps]
        labels = [Counter(some).most_common(1)[0][0] for some in step_labels]
    return Recordings(
        ids=ids,
        steps=np.concatenate([one.values for one in steps]),
        lengths=np.array([len(one.values) for one in steps]),
        labels=labels,
        feature_names=feature_names,
        groups=groups,
        spans=None
        if times is None
        else [(float(times[rows[0]]), float(times[rows[-1]])) for rows in sequences],
        step_labels=step_labels,
        splits=splits,
    )


def _rows_of_sequences(ids: Sequence[str], times: npt.NDArray[np.float64] | None) -> list[Rows]:
    """Return the rows of each sequence, by time if there is one, else in the order of the table.

    Sequences are in the order in which they first occur.
    """
    codes, names = pd.factorize(np.asarray(ids, dtype=object))
    order = np.argsort(codes, kind="stable") if times is None else np.lexsort((times, codes))
    bounds = np.searchsorted(codes[order], np.arange(len(names) + 1))
    return [order[start:end] for start, end in pairwise(bounds)]


def _refuse_repeated_times(
    table: Table, times: npt.NDArray[np.float64], ids: Sequence[str], sequences: Sequence[Rows]
) -> None:
    """Refuse a sequence in which a time occurs twice."""
    repeated = [
        (name, sorted(rows[at : at + 2].tolist()))
        for name, rows in zip(ids, sequences, strict=True)
        for at in np.flatnonzero(np.diff(times[rows]) == 0)
    ]
    if repeated:
        name, (first, second) = repeated[0]
        raise DataError(
            f"{table.place(second)}: sequence {name!r} already has a step at this time in "
            f"{table.place(first, short=True)}; a time may occur only once in a sequence "
            f"({len(repeated)} repeated times in the file)"
        )


def _changes(column: Sequence[str] | None, sequences: Sequence[Rows]) -> bool:
    """Return whether a sequence has several values of a column."""
    if column is None:
        return False
    array = np.asarray(column, dtype=object)
    return any((array[rows] != array[rows[0]]).any() for rows in sequences)


def _constant(
    table: Table,
    column: Sequence[str] | None,
    ids: Sequence[str],
    sequences: Sequence[Rows],
    *,
    what: str,
    remedy: str = "",
) -> list[str] | None:
    """Return the value of each sequence, and refuse a sequence that has several values."""
    if column is None:
        return None
    array = np.asarray(column, dtype=object)
    for name, rows in zip(ids, sequences, strict=True):
        first = rows.min()
        wrong = rows[array[rows] != array[first]]
        if len(wrong):
            raise DataError(
                f"{table.place(int(wrong.min()))}: sequence {name!r} has the {what} "
                f"{array[wrong.min()]!r} here and {array[first]!r} in "
                f"{table.place(int(first), short=True)}; a sequence needs one {what}{remedy}"
            )
    return [str(array[rows[0]]) for rows in sequences]


def _resampled(steps: Steps, *, interval: float, held: npt.NDArray[np.bool_]) -> Steps:
    assert steps.times is not None
    values, times, sources = resample(steps.values, steps.times, interval=interval, held=held)
    return Steps(steps.rows[sources], values, times)


def _with_time_feature(steps: Steps) -> Steps:
    """Append the time since the previous step, 0 at the first."""
    assert steps.times is not None
    since = np.diff(steps.times, prepend=steps.times[0])
    return replace(steps, values=np.hstack([steps.values, since[:, None]]))

"""Tables in long form: a row per step."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from unrolled.data.files.annotations import Annotations
from unrolled.data.files.clock import Clock
from unrolled.data.files.recordings import Recordings
from unrolled.data.files.resampling import interval_in, resample
from unrolled.data.files.schema import Schema
from unrolled.data.files.tabular import Table
from unrolled.data.files.words import Words
from unrolled.errors import DataError

WINDOW_REMEDY = (
    "; if ids restart, for example for each machine, data.id='COLUMN COLUMN' joins two columns; to "
    "classify windows of a sequence, use data.window.size=STEPS data.window.label=last (or "
    "majority, any)"
)
TIME_FEATURE = "time since the previous step"

Rows = npt.NDArray[np.intp]  # rows of the table
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Steps:
    """The steps of all sequences, one sequence after the other, each in order.

    rows: row of the table that each step comes from, (s,).
    lengths: steps of each sequence, (n,).
    values: features, (s, d).
    times: (s,), or None if the table has no times.
    """

    rows: Rows
    lengths: Rows
    values: Values
    times: Values | None

    @property
    def starts(self) -> Rows:
        """Position of the first step of each sequence, (n,)."""
        return self.lengths.cumsum() - self.lengths


def from_long_rows(
    table: Table,
    *,
    schema: Schema,
    annotations: Annotations,
    labels_may_change: bool,
    clock: Clock | None,
) -> Recordings:
    """Return the recordings of a table that has a row per step.

    schema: with features and categories.
    clock: of the time column, which may have read the tables before this one, or None.
    annotations: with ids.
    labels_may_change: whether a sequence may have several labels.

    Raises:
        DataError: a cell is invalid, a time occurs twice in a sequence, or a sequence has several
            groups, splits or (unless they may change) labels.
    """
    assert annotations.ids is not None
    values, feature_names = schema.encode(table)
    times = None if clock is None else clock.read(table)
    interval = None if clock is None else interval_in(table, clock, schema.resample)

    steps = _in_order(annotations.ids, values, times)
    first_rows = steps.rows[steps.starts]
    names = annotations.ids.take(first_rows)
    if steps.times is not None:
        _refuse_repeated_times(table, steps, names)
    has_step_labels = labels_may_change and bool(_changes(annotations.labels, steps).any())
    labels: Sequence[str] | None = None
    if not has_step_labels:
        labels = _constant(
            table, annotations.labels, names, steps, what="label", remedy=WINDOW_REMEDY
        )
    groups = _constant(table, annotations.groups, names, steps, what="group")
    splits = _constant(table, annotations.splits, names, steps, what="split")

    spans = None
    if steps.times is not None:
        last = steps.times[steps.lengths.cumsum() - 1]
        spans = np.stack([steps.times[steps.starts], last], axis=1)
    if interval is not None:
        held = np.isin(feature_names, schema.category_features)
        steps = _resampled(steps, interval=interval, held=held)
    if schema.time_feature:
        values, feature_names = schema.with_feature(
            steps.values, feature_names, name=TIME_FEATURE, column=_since_previous(steps)
        )
        steps = replace(steps, values=values)
    step_labels = None
    if has_step_labels:
        assert annotations.labels is not None
        of_step = annotations.labels.take(steps.rows).tolist()
        step_labels = [of_step[start:end] for start, end in _bounds(steps)]
        labels = [Counter(some).most_common(1)[0][0] for some in step_labels]
    return Recordings(
        ids=names.tolist(),
        steps=steps.values,
        lengths=steps.lengths,
        labels=labels,
        feature_names=feature_names,
        groups=groups,
        spans=spans,
        step_labels=step_labels,
        splits=splits,
    )


def _in_order(ids: Words, values: Values, times: Values | None) -> Steps:
    """Return the steps by sequence, in the order in which sequences first occur.

    The steps of a sequence are sorted by time if there is one. Otherwise they keep their order.
    """
    codes, lengths = ids.codes, np.bincount(ids.codes)
    between = np.diff(codes)
    is_next = between > 0
    is_next |= (between == 0) if times is None else (between == 0) & (np.diff(times) > 0)
    if is_next.all():  # most files are in order, and need no copy
        return Steps(np.arange(len(codes)), lengths, values, times)
    if times is None:
        rows = np.argsort(codes, kind="stable")
        return Steps(rows, lengths, values[rows], None)
    rows = np.lexsort((times, codes))
    return Steps(rows, lengths, values[rows], times[rows])


def _bounds(steps: Steps) -> list[tuple[int, int]]:
    """Return the position of the first step of each sequence, and the one after its last step."""
    return list(zip(steps.starts.tolist(), steps.lengths.cumsum().tolist(), strict=True))


def _refuse_repeated_times(table: Table, steps: Steps, names: Words) -> None:
    """Refuse a sequence in which a time occurs twice."""
    assert steps.times is not None
    is_repeated = np.diff(steps.times, prepend=np.nan) == 0
    is_repeated[steps.starts] = False
    if not is_repeated.any():
        return
    at = int(is_repeated.argmax())
    sequence = int(np.searchsorted(steps.starts, at, side="right")) - 1
    first, second = sorted(steps.rows[at - 1 : at + 1].tolist())
    raise DataError(
        f"{table.place(second)}: sequence {names[sequence]!r} already has a step at this time in "
        f"{table.place(first, short=True)}; a time may occur only once in a sequence "
        f"({int(is_repeated.sum())} repeated times in the file). If ids restart, for example for "
        f"each machine, data.id='COLUMN COLUMN' joins two columns"
    )


def _changes(column: Words | None, steps: Steps) -> npt.NDArray[np.bool_]:
    """Return whether each sequence has several values of a column, (n,)."""
    if column is None:
        return np.zeros(len(steps.lengths), dtype=bool)
    codes = column.codes[steps.rows]
    lowest = np.minimum.reduceat(codes, steps.starts)
    return np.asarray(lowest != np.maximum.reduceat(codes, steps.starts))


def _constant(
    table: Table,
    column: Words | None,
    names: Words,
    steps: Steps,
    *,
    what: str,
    remedy: str = "",
) -> Words | None:
    """Return the value of each sequence, and refuse a sequence that has several values."""
    if column is None:
        return None
    changes = _changes(column, steps)
    if changes.any():
        sequence = int(changes.argmax())
        start, end = _bounds(steps)[sequence]
        rows = np.sort(steps.rows[start:end])
        first, wrong = int(rows[0]), int(rows[column.codes[rows] != column.codes[rows[0]]][0])
        raise DataError(
            f"{table.place(wrong)}: sequence {names[sequence]!r} has the {what} "
            f"{column[wrong]!r} here and {column[first]!r} in "
            f"{table.place(first, short=True)}; a sequence needs one {what}{remedy}"
        )
    return column.take(steps.rows[steps.starts])


def _resampled(steps: Steps, *, interval: float, held: npt.NDArray[np.bool_]) -> Steps:
    assert steps.times is not None
    parts = []
    for start, end in _bounds(steps):
        values, times, sources = resample(
            steps.values[start:end], steps.times[start:end], interval=interval, held=held
        )
        parts.append((steps.rows[start:end][sources], values, times))
    rows, values, times = map(np.concatenate, zip(*parts, strict=True))
    return Steps(rows, np.array([len(part[0]) for part in parts]), values, times)


def _since_previous(steps: Steps) -> Values:
    """Return the time since the previous step, (s,), 0 at the first."""
    assert steps.times is not None
    since = np.diff(steps.times, prepend=0.0)
    since[steps.starts] = 0.0
    return since

"""Reads a table part by part, so that only the values of the sequences are in memory as a whole."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from unrolled.data.files.annotations import read_annotations
from unrolled.data.files.clock import Clock
from unrolled.data.files.growing import GrowingSteps
from unrolled.data.files.long_form import from_long_rows
from unrolled.data.files.piece import OutOfOrderError
from unrolled.data.files.recordings import Numbered, Recordings
from unrolled.data.files.schema import Schema
from unrolled.data.files.tables import Joined
from unrolled.data.files.tabular import Table
from unrolled.data.files.wide_form import from_wide_rows, step_columns
from unrolled.data.files.words import Words
from unrolled.errors import DataError


def recordings_of(
    table: Table, schema: Schema, *, labelled: bool, labels_may_change: bool
) -> Recordings:
    """Return the recordings of a table.

    A table of several parts is read part by part. If this finds a mistake, or a sequence that is
    not in consecutive rows, the file is read again as a whole.

    schema: with form, features and categories.
    labels_may_change: whether a sequence may have several labels.

    Raises:
        DataError: the table cannot be read with this schema.
    """
    options = {"labelled": labelled, "labels_may_change": labels_may_change}
    if isinstance(table, Joined) and _is_divisible(table, schema):
        num_values = len(table) * len(step_columns(schema, table))
        clock = None if schema.time is None else Clock(schema.time)
        parts = (_of_rows(part, schema, clock, **options) for part in table.take_parts())
        try:
            return _joined(parts, num_values=num_values, is_long=schema.form == "long")
        except (DataError, OutOfOrderError):
            table = table.read_again()
    return _of_rows(table, schema, None if schema.time is None else Clock(schema.time), **options)


def _of_rows(
    table: Table, schema: Schema, clock: Clock | None, *, labelled: bool, labels_may_change: bool
) -> Recordings:
    """Return the recordings of the rows of a table.

    clock: of the time column, which may have read the rows before.
    """
    annotations = read_annotations(table, schema, labelled=labelled)
    if schema.form == "wide":
        columns = step_columns(schema, table)
        return from_wide_rows(
            table, columns=columns, annotations=annotations, missing=schema.missing
        )
    return from_long_rows(
        table,
        schema=schema,
        annotations=annotations,
        labels_may_change=labels_may_change,
        clock=clock,
    )


def _is_divisible(table: Joined, schema: Schema) -> bool:
    """Return whether a table has parts that can be read one after the other."""
    if table.num_parts == 1:
        return False
    if schema.form == "wide" or schema.time is None:
        return not schema.categories
    if schema.resample is not None or schema.time_feature or schema.categories:
        return False
    return len({part.column(schema.time).dtype.kind for part in table.parts()}) == 1


def _joined(parts: Iterator[Recordings], *, num_values: int, is_long: bool) -> Recordings:
    """Return the recordings of consecutive rows as one.

    num_values: of all recordings, or more.
    is_long: whether a sequence may begin in one part and go on in the next.

    Raises:
        OutOfOrderError: the rows of a sequence are not consecutive, not in order of time, or have
            several labels, groups or splits.
    """
    steps = GrowingSteps(num_values=num_values)
    ids: list[str] = []
    lengths: list[npt.NDArray[np.int64]] = []
    spans: list[npt.NDArray[np.float64]] = []
    words: dict[str, list[Words]] = {"labels": [], "groups": [], "splits": []}
    part = None
    num = 0
    for part in parts:
        if part.step_labels is not None:
            raise OutOfOrderError("labels change within a sequence")
        steps.add(part.steps)
        first = 0
        if is_long and ids and part.ids[0] == ids[-1]:
            first = 1
            lengths[-1][-1] += part.lengths[0]
            if part.spans is not None:
                if spans[-1][-1, 1] >= part.spans[0, 0]:
                    raise OutOfOrderError("a sequence is not in order of time")
                spans[-1][-1, 1] = part.spans[0, 1]
        for name, columns in words.items():
            column = getattr(part, name)
            if column is None:
                continue
            if first and columns[-1][-1] != column[0]:
                raise OutOfOrderError(f"a sequence has several {name}")
            if first < len(column):
                columns.append(column[first:])
        if first < len(part):
            lengths.append(part.lengths[first:])
            if part.spans is not None:
                spans.append(part.spans[first:])
        num += len(part) - first
        if not isinstance(part.ids, Numbered):
            ids += part.ids[first:]
    assert part is not None
    if len(set(ids)) < len(ids):
        raise OutOfOrderError("the rows of a sequence are not consecutive")
    joined = {name: Words.joined(columns) for name, columns in words.items() if columns}
    return Recordings(
        ids=ids or Numbered.up_to(num),
        steps=steps.take(),
        lengths=np.concatenate(lengths),
        labels=joined.get("labels"),
        feature_names=part.feature_names,
        groups=joined.get("groups"),
        spans=np.concatenate(spans) if spans else None,
        splits=joined.get("splits"),
    )

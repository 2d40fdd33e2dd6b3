"""Reads tables in wide form: a row per sequence, a column per step and feature."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from unrolled.data.files.annotations import Annotations
from unrolled.data.files.recordings import Numbered, Recordings, has_nan
from unrolled.data.files.schema import Schema
from unrolled.data.files.tabular import Table
from unrolled.data.files.wide_names import further_steps, steps_of
from unrolled.errors import DataError

NUM_VALUES = 2**15  # arranged at once; they fit the cache


def step_columns(schema: Schema, table: Table) -> list[str]:
    """Return the feature columns of the schema, and columns of further steps in this table.

    Columns with another meaning are no steps, even if the label is called `column 65`, and neither
    are columns that the training file had and that were left out.
    """
    known = {*schema.special_columns, *schema.left_out}
    others = [name for name in table.columns if name not in known]
    return further_steps(schema.features or (), others)


def from_wide_rows(
    table: Table,
    *,
    columns: Sequence[str],
    annotations: Annotations,
    missing: str,
) -> Recordings:
    """Return the recordings of a table that has a row per sequence.

    columns: feature columns. A sequence ends before the first step from which all features are
        empty until the end of the row.
    annotations: without ids, the sequences get numbers.
    missing: `refuse`, or how missing values are filled later.

    Raises:
        DataError: an id occurs twice, a row is empty, a cell is not a number, or a value is missing
            but missing values are refused.
    """
    if not columns:
        raise DataError(f"{table.path} has no feature columns")
    ids = annotations.ids
    names = Numbered.up_to(len(table)) if ids is None else list(ids)
    if ids is not None and len(set(names)) < len(names):
        _refuse_repeated(table, ids)
    features = steps_of(columns, path=table.path)
    x = _steps(table, [*zip(*features.values(), strict=True)])
    lengths = _lengths(x)
    if not lengths.all():
        row = int((lengths == 0).argmax())
        raise DataError(f"{table.place(row)}: sequence {names[row]!r} has no values")
    if missing == "refuse" and has_nan(x):
        gaps = np.isnan(x) & (np.arange(x.shape[1])[:, None] < lengths[:, None, None])
        if gaps.any():
            row, step, feature = np.argwhere(gaps)[0]
            column = list(features.values())[feature][step]
            raise DataError(
                f"{table.place(int(row), column)}: the value is missing ({table.such(gaps)}); to "
                f"fill missing values, type data.missing=forward (or mean, mask)"
            )
    return Recordings(
        ids=names,
        steps=_real_steps(x, lengths),
        lengths=lengths,
        labels=annotations.labels,
        feature_names=list(features),
        groups=annotations.groups,
        spans=None,
        splits=annotations.splits,
    )


def _steps(table: Table, names: Sequence[Sequence[str]]) -> npt.NDArray[np.float64]:
    """Return the values of all steps, (n, t, d).

    names: columns of the features of each step, (t, d).
    """
    columns = [[table.numbers(name) for name in step] for step in names]
    x = np.empty((len(table), len(names), len(names[0])))
    at_once = max(1, NUM_VALUES // (len(names) * len(names[0])))
    for start in range(0, len(x), at_once):
        rows = slice(start, start + at_once)
        for step, cells in enumerate(columns):
            for feature, column in enumerate(cells):
                x[rows, step, feature] = column[rows]
    return x


def _refuse_repeated(table: Table, ids: Sequence[str]) -> None:
    seen: dict[str, int] = {}
    for row, name in enumerate(ids):
        if name in seen:
            raise DataError(
                f"{table.place(row)}: sequence {name!r} already occurs in "
                f"{table.place(seen[name], short=True)}; if each row is a step, type "
                f"data.form=long"
            )
        seen[name] = row


def _real_steps(
    x: npt.NDArray[np.float64], lengths: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    """Return the steps of all sequences, (sum of lengths, d)."""
    if (lengths == x.shape[1]).all():
        return x.reshape(-1, x.shape[2])
    return x[np.arange(x.shape[1]) < lengths[:, None]]


def _lengths(x: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Return the number of steps up to the last one that has a value, (n,)."""
    if not has_nan(x):
        return np.full(len(x), x.shape[1])
    there = np.asarray(~np.isnan(x).all(axis=2))  # (n, t)
    lengths = there.shape[1] - there[:, ::-1].argmax(axis=1)
    return np.where(there.any(axis=1), lengths, 0)

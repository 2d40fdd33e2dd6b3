"""Reads tables in wide form: a row per sequence, a column per step and feature."""

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from unrolled.data.files.annotations import Annotations
from unrolled.data.files.recordings import Recordings, has_nan, numbered
from unrolled.data.files.tabular import Table
from unrolled.errors import DataError

STEP = re.compile(r"^(?P<feature>.*?)[ _.\-\[(]?(?P<step>\d+)[\])]?$")


def steps_of(columns: Sequence[str]) -> dict[str, list[str]]:
    """Return the columns of each feature in the order of steps.

    For example, `x_0, x_1, y_0, y_1` are two features of two steps. If a column does not end in
    the number of a step, all columns are the steps of one feature, in the order of the table.
    """
    matches = [STEP.match(name) for name in columns]
    features: dict[str, list[tuple[int, str]]] = {}
    for name, match in zip(columns, matches, strict=True):
        if match is None:
            return {"value": list(columns)}
        features.setdefault(match["feature"], []).append((int(match["step"]), name))
    steps = [sorted(step for step, _ in named) for named in features.values()]
    if any(one != steps[0] or len(set(one)) < len(one) for one in steps):
        return {"value": list(columns)}
    return {
        feature or "value": [name for _, name in sorted(named)]
        for feature, named in features.items()
    }


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
    names = list(ids) if ids is not None else numbered(len(table))
    seen: dict[str, int] = {}
    for row, name in enumerate(names):
        if name in seen:
            raise DataError(
                f"{table.place(row)}: sequence {name!r} already occurs in "
                f"{table.place(seen[name], short=True)}; if each row is a step, type "
                f"data.form=long"
            )
        seen[name] = row
    features = steps_of(columns)
    num_steps = len(next(iter(features.values())))
    x = np.empty((len(table), num_steps, len(features)))
    for feature, steps in enumerate(features.values()):
        for step, name in enumerate(steps):
            x[:, step, feature] = table.numbers(name)
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
        values=[x[row, :length] for row, length in enumerate(lengths)],
        labels=annotations.labels,
        feature_names=list(features),
        groups=annotations.groups,
        starts=None,
        splits=annotations.splits,
    )


def _lengths(x: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Return the number of steps up to the last one that has a value, (n,)."""
    if not has_nan(x):
        return np.full(len(x), x.shape[1])
    there = np.asarray(~np.isnan(x).all(axis=2))  # (n, t)
    lengths = there.shape[1] - there[:, ::-1].argmax(axis=1)
    return np.where(there.any(axis=1), lengths, 0)

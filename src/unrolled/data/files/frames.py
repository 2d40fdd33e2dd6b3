"""Reads DataFrames as files are read: columns are found by name."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from unrolled.data.files.csv_rows import named_columns
from unrolled.data.files.joined_columns import join_columns
from unrolled.data.files.reader import read_table
from unrolled.data.files.schema import Schema
from unrolled.data.files.tabular import Table, shown
from unrolled.errors import DataError

Values = npt.NDArray[np.float64]


def read_frames(x: Any, schema: Schema) -> list[Values]:
    """Return the features of each sequence, (t, d), in the order of the training file.

    x: a DataFrame with the columns of a file, or a list of DataFrames with a row per step. pandas,
        or any other library whose tables have a method `to_pandas`, such as polars.
    schema: fitted.

    Raises:
        DataError: a column is missing, or a cell is invalid. The message names the column.
    """
    if isinstance(x, list):
        return [_sequence(part, schema, row=row) for row, part in enumerate(x)]
    table = table_of(x, "the DataFrame")
    if schema.features is None:
        raise DataError(
            "the run was trained on sequences without column names; pass a list with a DataFrame "
            "for each sequence, or arrays"
        )
    join_columns(table, schema)
    if schema.id is not None and schema.id not in table.columns:
        raise DataError(
            f"the DataFrame has no column {schema.id!r}, which names the sequence of each row; it "
            f"has {shown(table.columns)}. For a single sequence, pass a list: predict([frame])"
        )
    recordings = read_table(table, schema, labelled=False, labels_may_change=False)[1]
    return list(recordings.values)


def _sequence(part: Any, schema: Schema, *, row: int) -> Values:
    """Return the features of a sequence, in order of time if there is a time column."""
    if not hasattr(part, "columns"):
        raise DataError(f"sequence {row} is not a DataFrame, but others are")
    table = table_of(part, f"sequence {row}")
    if schema.features is None or schema.form == "wide":
        table.require(schema.feature_names)
        columns = [table.numbers(name) for name in schema.feature_names]
        return np.stack(columns, axis=1)
    assert schema.id is not None
    table.require(schema.features)
    table.frame[schema.id] = str(row)
    needs_time = schema.time_feature or schema.resample is not None
    join_columns(table, schema)
    if schema.time not in table.columns and not needs_time:
        schema = replace(schema, time=None)
    table.require([schema.time])
    return read_table(table, schema, labelled=False, labels_may_change=False)[1].values[0]


def table_of(frame: Any, name: str) -> Table:
    """Return a table with its own columns, so that the caller's DataFrame is not changed."""
    if not isinstance(frame, pd.DataFrame):
        frame = frame.to_pandas()
    if not len(frame):
        raise DataError(f"{name} has no rows; a sequence needs at least one step")
    frame = frame.reset_index(drop={None, *frame.columns}.issuperset(frame.index.names))
    frame.columns = named_columns([str(column) for column in frame.columns], Path(name))
    return Table(Path(name), frame)

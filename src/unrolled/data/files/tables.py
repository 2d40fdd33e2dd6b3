"""Reads a CSV file, a Parquet file or a folder of CSV files as a series of tables."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pandas as pd

from unrolled.data.files.csv_rows import Dialect, dialect_of
from unrolled.data.files.csv_tables import csv_tables
from unrolled.data.files.folders import FILE, Folder
from unrolled.data.files.joined_time import join_time, parts_of
from unrolled.data.files.opening import format_of
from unrolled.data.files.parquet_tables import parquet_errors, parquet_tables
from unrolled.data.files.schema import Schema
from unrolled.data.files.tabular import Table
from unrolled.errors import DataError


def tables_of(path: Path, schema: Schema, *, labelled: bool) -> Iterator[Table]:
    """Yield the rows of a file or folder in order, some at a time.

    A folder gets the columns `file` and, if labelled, the label.

    Raises:
        DataError: the file is missing, empty or damaged. The message names file and line.
    """
    if path.is_dir():
        folder = Folder(path, schema, labelled=labelled)
        first_row = 0
        for file, label in folder.files():
            for table in _of_file(file, schema):
                folder.require_columns(table)
                join_time(table, schema.time)
                table.frame[FILE] = folder.name_of(file)
                if label is not None:
                    table.frame[schema.label or "label"] = label
                yield table
                first_row += len(table)
        return
    for table in _of_file(path, schema):
        join_time(table, schema.time)
        yield table


def _of_file(path: Path, schema: Schema) -> Iterator[Table]:
    if format_of(path) == "parquet":
        needed = None
        if schema.is_fitted and schema.form == "long":
            times = chain.from_iterable(parts_of(schema.time))
            needed = {*schema.special_columns, *(schema.features or ()), *times}
        tables = parquet_tables(path, columns=needed)
    else:
        dialect = dialect_in(path, schema)
        tables = csv_tables(path, dialect, text=schema.text_columns)
    first = next(tables, None)
    if first is None:
        raise DataError(f"{path} has column names but no rows")
    yield first
    yield from tables


def dialect_in(path: Path, schema: Schema) -> Dialect:
    """Return how a CSV file is written, as far as the schema does not determine it."""
    return dialect_of(
        path, separator=schema.separator, header=schema.header, decimal=schema.decimal
    )


class Joined(Table):
    """All rows of several tables.

    parts: in order.
    """

    def __init__(self, path: Path, parts: list[Table]) -> None:
        frames = [part.frame for part in parts]
        frame = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
        super().__init__(path, frame, dialect=parts[0].dialect)
        self.origins = [(len(part), part.path, part.first_row, part.dialect) for part in parts]

    def place(self, row: int, column: str | None = None, *, short: bool = False) -> str:
        """Return the place of a cell for a message: file, line and column."""
        for num, path, first_row, dialect in self.origins:
            if row < num:
                table = Table(path, self.frame[:0], first_row=first_row, dialect=dialect)
                return table.place(row, column, short=short)
            row -= num
        raise AssertionError("the table has no such row")


def whole_table(path: Path, schema: Schema, *, labelled: bool) -> Table:
    """Return all rows of a file or folder.

    Raises:
        DataError: as `tables_of`.
    """
    return Joined(path, list(tables_of(path, schema, labelled=labelled)))


def count_rows(path: Path, schema: Schema) -> int:
    """Return the number of rows of a CSV or Parquet file.

    Raises:
        DataError: the file is damaged.
    """
    if format_of(path) == "parquet":
        with parquet_errors(path) as parquet, parquet.ParquetFile(path) as file:
            return int(file.metadata.num_rows)
    return sum(len(table) for table in tables_of(path, schema, labelled=False))

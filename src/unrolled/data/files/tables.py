"""Reads a CSV file, a Parquet file or a folder of CSV files as a series of tables."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pandas as pd

from unrolled.data.files.csv_rows import Dialect, dialect_of
from unrolled.data.files.csv_tables import csv_tables
from unrolled.data.files.folders import FILE, Folder
from unrolled.data.files.joined_columns import join_columns, parts_of_all
from unrolled.data.files.joined_time import pair_in
from unrolled.data.files.opening import format_of
from unrolled.data.files.packed import PackedTable, joined, unpacked
from unrolled.data.files.parquet_tables import parquet_errors, parquet_parts, parquet_tables
from unrolled.data.files.schema import Schema
from unrolled.data.files.tabular import Table
from unrolled.errors import DataError

PART_CELLS = 2**17  # tables with fewer cells are joined with the next ones


def tables_of(
    path: Path, schema: Schema, *, labelled: bool, at_once: bool = False
) -> Iterator[Table]:
    """Yield the rows of a file or folder in order, some at a time.

    A folder gets the columns `file` and, if labelled, the label.

    at_once: whether all rows may be in memory before the first table is yielded.

    Raises:
        DataError: the file is missing, empty or damaged. The message names file and line.
    """
    if path.is_dir():
        folder = Folder(path, schema, labelled=labelled)
        first_row = 0
        for file, label in folder.files():
            for table in _of_file(file, schema):
                folder.require_columns(table)
                join_columns(table, schema)
                table.frame[FILE] = folder.name_of(file)
                if label is not None:
                    table.frame[schema.label or "label"] = label
                yield table
                first_row += len(table)
        return
    for table in _of_file(path, schema, at_once=at_once):
        join_columns(table, schema)
        yield table


def _of_file(path: Path, schema: Schema, *, at_once: bool = False) -> Iterator[Table]:
    tables: Iterator[Table]
    if format_of(path) == "parquet" and at_once and not parts_of_all(schema):
        tables = parquet_parts(path)
    elif format_of(path) == "parquet":
        needed = None
        if schema.is_fitted and schema.form == "long":
            needed = {*schema.special_columns, *(schema.features or ()), *parts_of_all(schema)}
        tables = parquet_tables(path, columns=needed)
    else:
        dialect = dialect_in(path, schema)
        ids = pair_in(schema.id, dialect.names) or ()
        tables = csv_tables(path, dialect, text=[*schema.text_columns, *ids])
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
    """All rows of several tables, in little memory until all columns are needed at once.

    path: for messages.
    read: returns the tables in order, at least one.
    """

    def __init__(self, path: Path, read: Callable[[], Iterable[Table]]) -> None:
        self.path = path
        self._read = read
        self.first_row = 0
        self.origins: list[tuple[int, Path, int, Dialect | None]] = []
        self._parts: list[PackedTable] = []
        self._whole: pd.DataFrame | None = None
        some: list[PackedTable] = []
        num_cells = 0
        for table in read():
            self.origins.append((len(table), table.path, table.first_row, table.dialect))
            some.append(PackedTable.of(table))
            num_cells += len(table) * len(table.columns)
            if num_cells >= PART_CELLS:
                self._parts.append(joined(some))
                some, num_cells = [], 0
        if some:
            self._parts.append(joined(some))
        self.dialect = self.origins[0][3]

    def __len__(self) -> int:
        return sum(num for num, *_ in self.origins)

    @property
    def frame(self) -> pd.DataFrame:
        """All columns; the parts are given up for it."""
        if self._whole is None:
            self._whole = pd.DataFrame({name: self.column(name) for name in self.columns})
            self._parts = []
        return self._whole

    @property
    def columns(self) -> list[str]:
        """Column names in the order of the file."""
        if self._whole is None:
            return self._parts[0].columns
        return list(map(str, self._whole.columns))

    @property
    def num_parts(self) -> int:
        """How many tables `parts` yields."""
        return max(1, len(self._parts))

    def column(self, name: str) -> pd.Series:
        """Return a column."""
        if self._whole is not None:
            return self._whole[name]
        return unpacked(part.packed[name] for part in self._parts)

    def parts(self) -> Iterator[Table]:
        """Yield the rows in order, some at a time; the table itself if it has one part."""
        if self.num_parts == 1:
            yield self
        else:
            yield from self._parts

    def take_parts(self) -> Iterator[Table]:
        """Yield the rows as `parts` does, and free the memory of each part before the next."""
        while self._parts:
            yield self._parts.pop(0)

    def read_again(self) -> "Joined":
        """Return the table from the file, after its parts were taken."""
        return Joined(self.path, self._read)

    def place(self, row: int, column: str | None = None, *, short: bool = False) -> str:
        """Return the place of a cell for a message: file, line and column."""
        for num, path, first_row, dialect in self.origins:
            if row < num:
                table = Table(path, pd.DataFrame(), first_row=first_row, dialect=dialect)
                return table.place(row, column, short=short)
            row -= num
        raise AssertionError("the table has no such row")


def whole_table(path: Path, schema: Schema, *, labelled: bool) -> Joined:
    """Return all rows of a file or folder.

    Raises:
        DataError: as `tables_of`.
    """
    return Joined(path, lambda: tables_of(path, schema, labelled=labelled, at_once=True))


def count_rows(path: Path, schema: Schema) -> int:
    """Return the number of rows of a CSV or Parquet file.

    Raises:
        DataError: the file is damaged.
    """
    if format_of(path) == "parquet":
        with parquet_errors(path) as parquet, parquet.ParquetFile(path) as file:
            return int(file.metadata.num_rows)
    return sum(len(table) for table in tables_of(path, schema, labelled=False))

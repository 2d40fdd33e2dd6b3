"""Reads a Parquet file as a series of tables."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from unrolled.data.files.csv_rows import named_columns
from unrolled.data.files.packed import PackedColumn, PackedTable, arrays
from unrolled.data.files.tabular import Table
from unrolled.errors import DataError

NUM_CELLS = 2**20  # of a table
PART_CELLS = 2**18  # of a table that is read column by column


def parquet_tables(path: Path, *, columns: Collection[str] | None) -> Iterator[Table]:
    """Yield the rows of a Parquet file in order, some at a time.

    columns: the columns that are needed, or None for all. Columns that the file lacks are ignored.

    Raises:
        DataError: the file is damaged, two columns have the same name, or pyarrow is not installed.
    """
    first_row = 0
    with parquet_errors(path) as parquet, parquet.ParquetFile(path, pre_buffer=False) as file:
        names = [str(name) for name in file.schema_arrow.names]
        named_columns(names, path)
        wanted = None if columns is None else [name for name in names if name.strip() in columns]
        num_rows = max(1, NUM_CELLS // max(1, len(names if wanted is None else wanted)))
        for batch in file.iter_batches(batch_size=num_rows, columns=wanted):
            for field, column in zip(batch.schema, batch.columns, strict=True):
                if field.type.num_fields:  # a list, a map or a struct
                    raise DataError(
                        f"{path}, column {field.name!r}: a cell holds several values "
                        f"({field.type}), need one; several labels for a sequence are not "
                        f"supported; remove other columns of this kind"
                    )
                if str(column.type) in ("string", "large_string"):
                    column.validate(full=True)  # text is UTF-8
            frame = batch.to_pandas()
            frame = frame.reset_index(drop=all(name is None for name in frame.index.names))
            frame.columns = pd.Index(named_columns([str(name) for name in frame.columns], path))
            yield Table(path, frame, first_row=first_row)
            first_row += len(frame)


def parquet_parts(path: Path) -> Iterator[Table]:
    """Yield the rows as `parquet_tables` does, from columns that are read one after the other.

    Arrow needs several times the memory of the rows to read many columns at once. All rows are in
    memory before the first table is yielded.
    """
    with parquet_errors(path) as parquet, parquet.ParquetFile(path, pre_buffer=False) as file:
        fields = list(file.schema_arrow)
        num_rows = int(file.metadata.num_rows)
        names = named_columns([str(field.name) for field in fields], path)
        floats = {n: f.name for n, f in zip(names, fields, strict=True) if str(f.type) == "double"}
        has_index = any(isinstance(name, str) for name in _index_columns(file))
        others = set(names) - set(floats)
        if has_index or not num_rows or len(others) > len(floats):
            yield from parquet_tables(path, columns=None)
            return
        at_once = max(1, PART_CELLS // len(names))
        rows = [slice(start, start + at_once) for start in range(0, num_rows, at_once)]
        parts = [arrays(len(range(num_rows)[some]), num=len(floats)) for some in rows]
        for number, name in enumerate(floats.values()):
            start = 0
            for batch in file.iter_batches(batch_size=at_once, columns=[name]):
                column = batch.column(0).to_numpy(zero_copy_only=False)
                while len(column):
                    part, first = divmod(start, at_once)
                    space = parts[part][number][first : first + len(column)]
                    space[:] = column[: len(space)]
                    column = column[len(space) :]
                    start += len(space)
            _require_rows(path, name, start, expected=num_rows)
    frames = [table.frame for table in parquet_tables(path, columns=others)] if others else []
    rest = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    for name in others:
        _require_rows(path, name, len(rest) if name in rest else 0, expected=num_rows)
    for some in rows:
        values = dict(zip(floats, parts.pop(0), strict=True))
        packed = {
            name: PackedColumn(values[name], values[name].dtype)
            if name in values
            else PackedColumn.of(rest[name].iloc[some])
            for name in names
        }
        del values
        yield PackedTable(path, packed, first_row=some.start)


def _require_rows(path: Path, name: str, num: int, *, expected: int) -> None:
    if num != expected:
        raise DataError(
            f"{path} is damaged: column {name!r} has {num:,} rows, and the file {expected:,}"
        )


def _index_columns(file: Any) -> list[Any]:
    """Return the columns that pandas makes the index; a dictionary describes a range."""
    metadata = file.schema_arrow.pandas_metadata
    return list(metadata["index_columns"]) if metadata else []


@contextmanager
def parquet_errors(path: Path) -> Iterator[Any]:
    """Yield pyarrow.parquet, and turn its errors into DataError.

    Raises:
        DataError: the file is damaged, or pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise DataError(
            f"{path}: reading Parquet needs pyarrow; run `pip install 'unrolled[parquet]'`, or "
            f"save the file as CSV"
        ) from error
    try:
        yield parquet
    except DataError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}") from error

"""A CSV or Parquet file that is written some rows at a time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from unrolled.errors import DataError
from unrolled.output import spreadsheet_cell, spreadsheet_column

Columns = dict[str, Sequence[str] | npt.NDArray[Any]]


@contextmanager
def growing_table(path: Path, *, parquet: bool) -> Iterator[Callable[[Columns], None]]:
    """Give a function that adds rows, columns by name; the file is whole when the context ends.

    Raises:
        DataError: pyarrow is not installed, which Parquet needs.
    """
    if not parquet:
        with path.open("w", encoding="utf-8", newline="") as file:
            yield lambda columns: pd.DataFrame(_inert(columns)).to_csv(
                file, index=False, header=file.tell() == 0
            )
        return
    try:
        import pyarrow
        from pyarrow.parquet import ParquetWriter
    except ImportError as error:
        raise DataError(
            f"{path}: Parquet files need pyarrow; `pip install 'unrolled[parquet]'`, or write CSV"
        ) from error
    writer = None

    def add(columns: Columns) -> None:
        nonlocal writer
        rows = pyarrow.Table.from_pandas(pd.DataFrame(columns), preserve_index=False)
        writer = writer or ParquetWriter(path, rows.schema)
        writer.write_table(rows)

    try:
        yield add
    finally:
        if writer is not None:
            writer.close()


def _inert(columns: Columns) -> Columns:
    """Return the columns with every text in a form that a spreadsheet does not execute."""
    return {
        spreadsheet_cell(name): column
        if isinstance(column, np.ndarray)
        else spreadsheet_column(column)
        for name, column in columns.items()
    }

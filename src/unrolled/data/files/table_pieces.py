"""A CSV or Parquet file as a series of short tables, of which one is in memory at a time."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from unrolled.data.files.csv_rows import csv_names, csv_rows, guess_separator
from unrolled.data.files.paths import require_file
from unrolled.data.files.tabular import PARQUET, Table, parquet_errors, with_named_columns
from unrolled.errors import DataError

NUM_CELLS = 2**17  # of a piece, as text some 10 MB


class TablePiece(Table):
    """Some rows of a file that has more.

    first_row: how many rows stand before them.
    """

    def __init__(
        self, path: Path, frame: pd.DataFrame, lines: list[int] | None, *, first_row: int
    ) -> None:
        super().__init__(path, frame, lines)
        self.first_row = first_row

    def place(self, row: int, column: str | None = None, *, short: bool = False) -> str:
        """Return where a cell is in the file, as a whole table does."""
        if self.lines is not None:
            return super().place(row, column, short=short)
        return super().place(self.first_row + row, column, short=short)

    def such(self, wrong: npt.NDArray[np.bool_]) -> str:
        """Return how many cells of a column are wrong, as far as the file has been read."""
        return f"{int(wrong.sum())} such cells up to {self.place(len(self) - 1, short=True)}"


def table_pieces(path: Path, *, separator: str | None) -> Iterator[Table]:
    """Yield the rows of a CSV or Parquet file, some at a time, in order.

    Raises:
        DataError: as `read_table` does, when it comes to the place.
    """
    require_file(path)
    if path.suffix.lower() in PARQUET:
        pieces: Iterator[Table] = _parquet_pieces(path)
    else:
        pieces = _csv_pieces(path, separator or guess_separator(path))
    first = next(pieces, None)
    if first is None:
        raise DataError(f"{path} has column names and no rows")
    yield first
    yield from pieces


def count_rows(path: Path, *, separator: str | None) -> int:
    """Return the rows of a CSV or Parquet file.

    Raises:
        DataError: it is damaged.
    """
    if path.suffix.lower() in PARQUET:
        with parquet_errors(path) as parquet, parquet.ParquetFile(path) as file:
            return int(file.metadata.num_rows)
    return sum(1 for _ in csv_rows(path, separator or guess_separator(path)))


def _csv_pieces(path: Path, separator: str) -> Iterator[Table]:
    names = csv_names(path, separator)
    rows = csv_rows(path, separator)
    num_rows, first_row = max(1, NUM_CELLS // len(names)), 0
    while piece := list(islice(rows, num_rows)):
        frame = pd.DataFrame([cells for _, cells in piece], columns=names, dtype=str)
        yield TablePiece(path, frame, [line for line, _ in piece], first_row=first_row)
        first_row += len(piece)


def _parquet_pieces(path: Path) -> Iterator[Table]:
    first_row = 0
    with parquet_errors(path) as parquet, parquet.ParquetFile(path) as file:
        num_rows = max(1, NUM_CELLS // max(1, len(file.schema_arrow)))
        for batch in file.iter_batches(batch_size=num_rows):
            batch.validate(full=True)
            frame = with_named_columns(batch.to_pandas(), path)
            yield TablePiece(path, frame, None, first_row=first_row)
            first_row += len(frame)

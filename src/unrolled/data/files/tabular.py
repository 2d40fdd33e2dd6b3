"""CSV and Parquet files as tables of named columns; errors name file, line and column."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from unrolled.data.files.csv_rows import csv_names, csv_rows, guess_separator, named_columns
from unrolled.data.files.paths import require_file
from unrolled.errors import DataError, did_you_mean

EMPTY_CELLS = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})  # cells without a value
PARQUET = (".parquet", ".pq")
LARGEST = float(np.finfo(np.float32).max)


class Table:
    """Named columns of equal length.

    path: the file, for messages.
    frame: the columns, all of them text for a CSV file.
    lines: line number of each row in the file, (rows,), or None for a Parquet file.
    """

    def __init__(self, path: Path, frame: pd.DataFrame, lines: Sequence[int] | None) -> None:
        self.path = path
        self.frame = frame
        self.lines = lines

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def columns(self) -> list[str]:
        """Column names in the order of the file."""
        return [str(name) for name in self.frame.columns]

    def place(self, row: int, column: str | None = None, *, short: bool = False) -> str:
        """Return the place of a cell for a message: file, line and column, or only the line."""
        where = f"row {row + 1}" if self.lines is None else f"line {self.lines[row]}"
        if short:
            return where
        return f"{self.path}, {where}" + ("" if column is None else f", column {column!r}")

    def such(self, wrong: npt.NDArray[np.bool_]) -> str:
        """Return the number of wrong cells of a column for a message.

        wrong: (rows,).
        """
        return counted(int(wrong.sum()), "such cell")

    def require(self, names: Iterable[str | None]) -> None:
        """Check that the table has these columns.

        Raises:
            DataError: a column is missing. The message lists the columns of the table.
        """
        for name in names:
            if name is not None and name not in self.columns:
                raise DataError(
                    f"{self.path} has no column {name!r}; it has {shown(self.columns)}"
                    f"{did_you_mean(name, self.columns)}"
                )

    def text(self, column: str) -> list[str]:
        """Return the cells of a column as text.

        Raises:
            DataError: the column is missing, or a cell is empty.
        """
        cells = self.cells(column)
        for row, cell in enumerate(cells):
            if cell.lower() in EMPTY_CELLS:
                raise DataError(f"{self.place(row, column)}: the cell is empty")
        return cells

    def numbers(self, column: str) -> npt.NDArray[np.float64]:
        """Return the cells of a column as numbers, (rows,), NaN for an empty cell.

        Raises:
            DataError: the column is missing, or a cell is not a finite float32 number.
        """
        self.require([column])
        series = self.frame[column]
        if not pd.api.types.is_numeric_dtype(series):
            series = pd.Series(self.cells(column), dtype=object)
            series = series.where(~series.str.lower().isin(EMPTY_CELLS), None)
        values: npt.NDArray[np.float64] = pd.to_numeric(series, errors="coerce").to_numpy(
            dtype=np.float64, na_value=np.nan
        )
        wrong = np.isnan(values) & series.notna().to_numpy()
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(
                f"{self.place(row, column)}: {series.iloc[row]!r} is not a number "
                f"({self.such(wrong)}); for a column of words, type "
                f"data.categorical=[COLUMN], or list the other columns in data.features"
            )
        wrong = np.abs(values) > LARGEST
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(
                f"{self.place(row, column)}: {values[row]} is infinite or too large for float32 "
                f"({self.such(wrong)})"
            )
        return values

    def times(self, column: str) -> npt.NDArray[np.float64]:
        """Return the times of a column, (rows,): numbers as they are, ISO 8601 dates as seconds.

        Raises:
            DataError: the column is missing, or a cell is empty or not a time.
        """
        cells = self.text(column)
        series = pd.Series(cells, dtype=object)
        values: npt.NDArray[np.float64]
        values = pd.to_numeric(series, errors="coerce").to_numpy(dtype=np.float64)
        if np.isnan(values).all():
            stamps = pd.to_datetime(series, format="ISO8601", errors="coerce", utc=True)
            values = (stamps - pd.Timestamp(0, tz="UTC")).dt.total_seconds().to_numpy(np.float64)
        wrong = ~np.isfinite(values)
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(
                f"{self.place(row, column)}: {cells[row]!r} is not a time; need a number or an ISO "
                f"date such as 2026-11-24 13:05:00, the same kind in the whole column"
            )
        return values

    def cells(self, column: str) -> list[str]:
        """Return the cells of a column as text, "" for an empty cell.

        Raises:
            DataError: the column is missing.
        """
        self.require([column])
        series = self.frame[column]
        if series.isna().any():
            series = series.astype(object).where(series.notna(), "")
        return [str(cell).strip() for cell in series.tolist()]


def read_table(path: Path, *, separator: str | None) -> Table:
    """Return the columns of a CSV or Parquet file.

    separator: of a CSV file, for example a tab, or None to detect it from the first line.

    Raises:
        DataError: the file is missing, empty or damaged. The message names file and line.
    """
    require_file(path)
    table = _read_parquet(path) if path.suffix.lower() in PARQUET else _read_csv(path, separator)
    if not len(table):
        raise DataError(f"{path} has column names but no rows")
    return table


def _read_parquet(path: Path) -> Table:
    with parquet_errors(path) as parquet:
        content = parquet.read_table(path)
        content.validate(
            full=True
        )  # finds text that is not UTF-8, which pyarrow checks only on use
        frame = content.to_pandas()
    return Table(path, with_named_columns(frame, path), None)


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
    except (pyarrow.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}") from error


def with_named_columns(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return the columns of a Parquet file, and its index if that has a name.

    Raises:
        DataError: two columns have the same name.
    """
    frame = frame.reset_index(drop=all(name is None for name in frame.index.names))
    frame.columns = pd.Index(named_columns([str(name) for name in frame.columns], path))
    return frame


def _read_csv(path: Path, separator: str | None) -> Table:
    separator = separator or guess_separator(path)
    names = csv_names(path, separator)
    lines = [line for line, _ in csv_rows(path, separator)]
    frame = pd.read_csv(
        path,
        sep=separator,
        header=0,
        names=names,
        index_col=False,
        dtype=str,
        keep_default_na=False,
        encoding="utf-8-sig",
    )
    if len(frame) != len(lines):  # for example a line of blanks in a file with one column
        raise DataError(
            f"{path}: csv finds {len(lines)} rows and pandas {len(frame)}; check the file for "
            f"blank lines and unbalanced quotes"
        )
    return Table(path, frame, lines)


def counted(num: int, noun: str) -> str:
    """Return a count for a message, for example `1 step` or `3 steps`."""
    return f"{num} {noun}" if num == 1 else f"{num} {noun}s"


def shown(names: Iterable[str], *, at_most: int = 12) -> str:
    """Return names for a message, the first `at_most` of them."""
    listed = list(names)
    text = ", ".join(repr(name) for name in listed[:at_most])
    return text + (f" and {len(listed) - at_most} more" if len(listed) > at_most else "")

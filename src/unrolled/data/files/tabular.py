"""A CSV or Parquet file as a table of named columns; whatever is wrong is said with its place."""

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
    frame: the columns, as text where the file is text.
    lines: line of each row in the file, (rows,), or None where it has no lines.
    """

    def __init__(self, path: Path, frame: pd.DataFrame, lines: Sequence[int] | None) -> None:
        self.path = path
        self.frame = frame
        self.lines = lines

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def columns(self) -> list[str]:
        """Names, in the order of the file."""
        return [str(name) for name in self.frame.columns]

    def place(self, row: int, column: str | None = None, *, short: bool = False) -> str:
        """Return where a cell is: file, line, column; short: the line alone."""
        where = f"row {row + 1}" if self.lines is None else f"line {self.lines[row]}"
        if short:
            return where
        return f"{self.path}, {where}" + ("" if column is None else f", column {column!r}")

    def such(self, wrong: npt.NDArray[np.bool_]) -> str:
        """Return how many cells of a column are wrong, for a message; wrong: (rows,)."""
        return f"{int(wrong.sum())} such cells"

    def require(self, names: Iterable[str | None]) -> None:
        """Refuse a table that lacks one of the columns.

        Raises:
            DataError: names it, and those that there are.
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
            DataError: there is no such column, or a cell is empty.
        """
        cells = self.cells(column)
        for row, cell in enumerate(cells):
            if cell.lower() in EMPTY_CELLS:
                raise DataError(f"{self.place(row, column)}: nothing stands here")
        return cells

    def numbers(self, column: str) -> npt.NDArray[np.float64]:
        """Return the cells of a column as numbers, NaN where there is none.

        Raises:
            DataError: there is no such column, a cell is no number, infinite, or beyond float32.
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
                f"({self.such(wrong)}); a column of words is named in "
                f"data.categorical, or left out by naming others in data.features"
            )
        wrong = np.abs(values) > LARGEST
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(
                f"{self.place(row, column)}: {values[row]} is not a finite number of float32 "
                f"({self.such(wrong)})"
            )
        return values

    def times(self, column: str) -> npt.NDArray[np.float64]:
        """Return a column of numbers as it is, one of dates (ISO 8601) in seconds.

        Raises:
            DataError: there is no such column, or a cell is empty or neither.
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
                f"{self.place(row, column)}: {cells[row]!r} is not a time; need a number, or a "
                f"date as in 2026-11-24 13:05:00, one kind in the whole column"
            )
        return values

    def cells(self, column: str) -> list[str]:
        """Return the cells of a column as text, empty where nothing stands.

        Raises:
            DataError: there is no such column.
        """
        self.require([column])
        series = self.frame[column]
        if series.isna().any():
            series = series.astype(object).where(series.notna(), "")
        return [str(cell).strip() for cell in series.tolist()]


def read_table(path: Path, *, separator: str | None) -> Table:
    """Return the columns of a CSV or Parquet file.

    separator: what stands between the cells of a CSV file, or None to see from its first line.

    Raises:
        DataError: the file is missing, empty, damaged or no table; names file and line.
    """
    require_file(path)
    table = _read_parquet(path) if path.suffix.lower() in PARQUET else _read_csv(path, separator)
    if not len(table):
        raise DataError(f"{path} has column names and no rows")
    return table


def _read_parquet(path: Path) -> Table:
    with parquet_errors(path) as parquet:
        content = parquet.read_table(path)
        content.validate(full=True)  # text that is not UTF-8 is noticed only when used, otherwise
        frame = content.to_pandas()
    return Table(path, with_named_columns(frame, path), None)


@contextmanager
def parquet_errors(path: Path) -> Iterator[Any]:
    """Give pyarrow.parquet, and say what is wrong with a Parquet file that it cannot read.

    Raises:
        DataError: it is damaged, or pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise DataError(
            f"{path}: Parquet files need pyarrow; `pip install 'unrolled[parquet]'`, or save as CSV"
        ) from error
    try:
        yield parquet
    except DataError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}") from error


def with_named_columns(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return what a Parquet file holds as plain columns; an index that has a name is one too.

    Raises:
        DataError: two have the same name.
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
    if len(frame) != len(lines):  # a line of blanks in a file of one column, and the like
        raise DataError(f"{path}: {len(lines)} or {len(frame)} rows, depending on how it is read")
    return Table(path, frame, lines)


def shown(names: Iterable[str], *, at_most: int = 12) -> str:
    """Return names for a message, the first of many."""
    listed = list(names)
    text = ", ".join(repr(name) for name in listed[:at_most])
    return text + (f" and {len(listed) - at_most} more" if len(listed) > at_most else "")

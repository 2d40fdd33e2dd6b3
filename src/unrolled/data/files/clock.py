"""Times of steps as numbers: counters, dates and compact dates such as 20240131."""

import re

import numpy as np
import numpy.typing as npt
import pandas as pd

from unrolled.data.files.joined_time import is_time_of_day
from unrolled.data.files.tabular import Table
from unrolled.data.files.time_cells import read_dates
from unrolled.errors import DataError

SECONDS_PER_DAY = 86_400.0
EXACT = 2**53  # whole numbers up to here are exact in float64
COMPACT = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}  # formats by number of digits


class Clock:
    """Reads the time column of the tables of a file, in order.

    The first table decides on the kind: `number`, `date` (in seconds since the first one) or `day`
    (20240131, in days since the first one). Numbers above 2^53, such as nanoseconds, are relative
    to the first one too.

    column: name of the time column.
    """

    def __init__(self, column: str) -> None:
        self.column = column
        self.kind = ""
        self._origin: int | pd.Timestamp | None = None

    def read(self, table: Table) -> npt.NDArray[np.float64]:
        """Return the times, (rows,).

        Raises:
            DataError: the column is missing, a cell is empty or not a time, or of another kind.
        """
        table.require([self.column])
        series = table.column(self.column)
        if series.dtype.kind in "iuf" and not series.isna().any():
            return self._numbers(table, series)
        if series.dtype.kind == "m":
            self._require(table, "number", series.isna().to_numpy())
            return np.asarray(series.dt.total_seconds(), dtype=np.float64)
        if series.dtype.kind == "M":
            return self._dates(table, series)
        cells = pd.Series(table.text(self.column).tolist(), dtype=object)
        numbers = pd.to_numeric(table.with_points(cells), errors="coerce")
        if not numbers.isna().all():
            return self._numbers(table, numbers)
        return self._dates(table, read_dates(cells))

    def _numbers(self, table: Table, series: pd.Series) -> npt.NDArray[np.float64]:
        values: npt.NDArray[np.generic] = series.to_numpy()
        kind = "number"
        if self.kind in ("", "day", "date") and (dates := compact_dates(series)) is not None:
            kind = "day" if len(str(int(series.iloc[0]))) == 8 else "date"
            self._require(table, kind, np.zeros(len(values), dtype=bool))
            seconds = self._since(dates)
            return np.asarray(seconds / SECONDS_PER_DAY) if kind == "day" else seconds
        self._require(table, kind, ~np.isfinite(values.astype(np.float64)))
        if values.dtype.kind == "f":
            return np.asarray(values, dtype=np.float64)
        if self._origin is None:
            self._origin = int(series.iloc[0]) if abs(int(series.iloc[0])) > EXACT else 0
        return np.asarray(series.to_numpy() - values.dtype.type(self._origin), dtype=np.float64)

    def _dates(self, table: Table, dates: pd.Series) -> npt.NDArray[np.float64]:
        self._require(table, "date", dates.isna().to_numpy())
        return self._since(dates)

    def _since(self, dates: pd.Series) -> npt.NDArray[np.float64]:
        """Return the seconds since the first date of the file; exact to the nanosecond."""
        if self._origin is None:
            self._origin = dates.iloc[0]
        gaps = dates - self._origin
        seconds = gaps.dt.total_seconds().to_numpy(np.float64)
        if getattr(gaps.dt, "unit", "ns") == "ns":
            seconds = gaps.to_numpy().astype("timedelta64[ns]").astype(np.int64) / 1e9
        return np.asarray(seconds, dtype=np.float64)

    def _require(self, table: Table, kind: str, wrong: npt.NDArray[np.bool_]) -> None:
        """Refuse wrong cells, and a kind of time that differs from the tables before."""
        if self.kind not in ("", kind):
            wrong = np.ones(len(wrong), dtype=bool)
        self.kind = kind
        if wrong.any():
            row = int(wrong.argmax())
            cell = table.cells(self.column)[row]
            date = (
                ". The date may be in another column: data.time='DATE TIME' joins two columns"
                if is_time_of_day(cell)
                else ""
            )
            raise DataError(
                f"{table.place(row, self.column)}: {cell!r} is not a time; need a number, an ISO "
                f"date such as 2026-11-24 13:05:00 or day.month.year such as 24.11.2026 13:05:00, "
                f"the same kind in the whole column{date}"
            )


def compact_dates(series: pd.Series) -> pd.Series | None:
    """Return whole numbers such as 20240131 as dates, or None unless all of them are dates."""
    if series.dtype.kind not in "iu" or not len(series):
        return None
    smallest, largest = int(series.min()), int(series.max())
    digits = len(str(largest))
    century = str(largest)[:2]
    if (
        digits not in COMPACT
        or len(str(smallest)) != digits
        or not re.match("1[5-9]|2[01]", century)
    ):
        return None
    dates = pd.to_datetime(series.astype(str), format=COMPACT[digits], errors="coerce", utc=True)
    return None if dates.isna().any() else dates

"""Tables of named columns, whole or in parts; errors name file, line and column."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from unrolled.data.files.time_cells import time_remedy
from unrolled.data.files.words import Words
from unrolled.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from unrolled.data.files.csv_rows import Dialect

EMPTY_CELLS = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})  # cells without a value
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
POINTS_BETWEEN_THOUSANDS = r"[-+]?[1-9]\d{0,2}(\.\d{3})+"
LARGEST = float(np.finfo(np.float32).max)


class Table:
    """Consecutive rows of a file with named columns of equal length.

    path: the file, for messages.
    frame: the columns.
    first_row: position of the first row in the file.
    dialect: of a CSV file, to find the line of a row, or None for a file without lines.
    """

    def __init__(
        self,
        path: Path,
        frame: pd.DataFrame,
        *,
        first_row: int = 0,
        dialect: "Dialect | None" = None,
    ) -> None:
        self.path = path
        self._frame = frame
        self.first_row = first_row
        self.dialect = dialect

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def frame(self) -> pd.DataFrame:
        """All columns."""
        return self._frame

    def column(self, name: str) -> pd.Series:
        """Return a column."""
        return self.frame[name]

    def parts(self) -> Iterator["Table"]:
        """Yield the rows in order, some at a time."""
        yield self

    @property
    def columns(self) -> list[str]:
        """Column names in the order of the file."""
        return [str(name) for name in self.frame.columns]

    @property
    def decimal(self) -> str:
        """Sign before the decimals of a number that is written as text."""
        return "." if self.dialect is None else self.dialect.decimal

    def place(self, row: int, column: str | None = None, *, short: bool = False) -> str:
        """Return the place of a cell for a message: file, line and column, or only the line."""
        row += self.first_row
        if self.dialect is None:
            where = f"row {row + 1}"
        else:
            from unrolled.data.files.csv_tables import line_of

            where = f"line {line_of(self.path, self.dialect, row)}"
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

    def text(self, column: str) -> Words:
        """Return the cells of a column as text.

        Raises:
            DataError: the column is missing, or a cell is empty.
        """
        words = self.words(column)
        if "" in words.names:
            row = int((words.codes == words.names.index("")).argmax())
            raise DataError(f"{self.place(row, column)}: the cell is empty")
        return words

    def labels(self, column: str) -> Words:
        """Return the cells of a column as class names.

        Raises:
            DataError: the column is missing, or a cell is empty.
        """
        cells = self.text(column)
        return Words(cells.codes, [*map(plain_label, cells.names)])

    def numbers(self, column: str) -> npt.NDArray[np.float64]:
        """Return the cells of a column as numbers, (rows,), NaN for an empty cell.

        Raises:
            DataError: the column is missing, or a cell is not a finite float32 number.
        """
        self.require([column])
        series = numeric = self.column(column)
        if series.dtype.kind not in "iuf":
            series = pd.Series(self.cells(column), dtype=object)
            series = series.where(~series.str.lower().isin(EMPTY_CELLS), None)
            numeric = pd.to_numeric(self.with_points(series), errors="coerce")
        values: npt.NDArray[np.float64] = numeric.to_numpy(dtype=np.float64, na_value=np.nan)
        largest, smallest = values.max(initial=0), values.min(initial=0)
        if smallest >= -LARGEST and largest <= LARGEST:  # neither of them is NaN
            return values
        wrong = np.isnan(values) & series.notna().to_numpy()
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(
                f"{self.place(row, column)}: {series.iloc[row]!r} is not a number "
                f"({self.such(wrong)}){remedy_for(str(series.iloc[row]), decimal=self.decimal)}"
            )
        wrong = np.abs(values) > LARGEST
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(
                f"{self.place(row, column)}: {values[row]} is infinite or too large for float32 "
                f"({self.such(wrong)})"
            )
        return values

    def with_points(self, cells: pd.Series) -> pd.Series:
        """Return cells of text in which numbers with a decimal comma have a decimal point.

        With a decimal comma, 1.234 has a point between thousands and becomes no number.
        """
        if self.decimal == ".":
            return cells
        thousands = cells.str.fullmatch(POINTS_BETWEEN_THOUSANDS, na=False).astype(bool)
        return cells.str.replace(self.decimal, ".", n=1, regex=False).mask(thousands, "-")

    def cells(self, column: str) -> list[str]:
        """Return the cells of a column as text, "" for an empty cell.

        Raises:
            DataError: the column is missing.
        """
        return self.words(column).tolist()

    def words(self, column: str) -> Words:
        """Return the cells of a column as words, "" for an empty cell.

        Raises:
            DataError: the column is missing.
        """
        self.require([column])
        codes, cells = pd.factorize(self.column(column))
        names = all_plain(cells.tolist())
        if (codes < 0).any():
            codes, names = np.where(codes < 0, len(names), codes), [*names, ""]
        return Words(codes, names)


def all_plain(cells: list[Any]) -> list[str]:
    """Return cells as text, each as `plain` does."""
    if all(type(cell) is str for cell in cells):
        text = " ".join(cells)
        if text.isascii() and text.split() == cells:  # none has blanks
            return cells
    return [*map(plain, cells)]


def plain(cell: object) -> str:
    """Return a cell as text without blanks at its ends, in the composed form of Unicode (NFC)."""
    if isinstance(cell, bytes):
        cell = cell.decode("utf-8", errors="replace")
    text = str(cell).strip()
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def plain_label(cell: str) -> str:
    """Return a label, without decimals if it is a whole number: `1.0` becomes `1`.

    Files often hold the same class as 1, 1.0 or 1.0000000e+00, because an empty cell anywhere in
    the column makes pandas write floats.
    """
    if cell.isalnum() or not is_number(cell):
        return cell
    number = float(cell)
    return str(int(number)) if number.is_integer() and abs(number) < 2**53 else cell


def is_number(cell: str) -> bool:
    """Return whether a cell is written as a finite number."""
    return NUMBER.fullmatch(cell.strip()) is not None


def remedy_for(cell: str, *, decimal: str) -> str:
    """Return what to do about a cell that is not a number.

    decimal: sign before the decimals of a number.
    """
    digits = re.sub("[ '\u202f\xa0]", "", cell)
    if re.fullmatch(r"[-+]?[1-9]\d{0,2}([,.]\d{3})+([,.]\d+)?", digits) or (
        digits != cell and is_plain(digits)
    ):
        plain_number = _without_thousands(cell, digits, decimal)
        other = {",": ".", ".": ","}[decimal]
        remedy = f"; separators between thousands are not read: write {plain_number}"
        if cell.count(other) == 1 and plain_number.lstrip("+-").isdigit():
            remedy += f", or type data.decimal='{other}' if {cell} has decimals"
        return remedy
    if re.fullmatch(r"[-+]?\d*,\d+", cell):
        return "; for numbers with a decimal comma, type data.decimal=','"
    if is_plain(re.sub(r"\s*[%°€$£a-zA-Zµ/²³]+$", "", digits).lstrip("€$£")):
        return "; write numbers without a unit or %"
    if (for_times := time_remedy(cell.strip())) is not None:
        return f"{for_times}, or list the other columns in data.features"
    return (
        "; for a column of words, type data.categorical=[COLUMN] (and data.embedding=16 if there "
        "are many different words), or list the other columns in data.features"
    )


def _without_thousands(cell: str, digits: str, decimal: str) -> str:
    """Return a number without separators between thousands, with the decimal sign of the file.

    digits: the cell without blanks and apostrophes.
    """
    separators = re.findall("[.,]", digits)
    last = separators[-1] if separators else ""
    whole, _, decimals = digits.rpartition(last) if last else (digits, "", "")
    has_decimals = separators.count(last) == 1 and (
        len(separators) > 1 or last == decimal or len(decimals) != 3 or digits != cell
    )
    if not has_decimals:
        return re.sub("[.,]", "", digits)
    return re.sub("[.,]", "", whole) + decimal + decimals


def is_plain(cell: str) -> bool:
    """Return whether a cell is a number with a decimal point or comma."""
    return re.fullmatch(r"[-+]?\d+([.,]\d+)?", cell) is not None


def counted(num: int, noun: str) -> str:
    """Return a count for a message, for example `1 step` or `3 steps`."""
    return f"{num} {noun}" if num == 1 else f"{num} {noun}s"


def shown(names: Iterable[str], *, at_most: int = 12) -> str:
    """Return names for a message, the first `at_most` of them."""
    listed = list(names)
    text = ", ".join(repr(name) for name in listed[:at_most])
    return text + (f" and {len(listed) - at_most} more" if len(listed) > at_most else "")

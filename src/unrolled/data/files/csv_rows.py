"""Reads the rows of a CSV file one by one; errors name the line."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unrolled.errors import DataError

SEPARATORS = (",", ";", "\t", "|")


def csv_names(path: Path, separator: str) -> list[str]:
    """Return the column names from the first line.

    Raises:
        DataError: the file is empty, two names are the same, or it is not a CSV file.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator, strict=True)
        with _explained(path, reader):
            return named_columns(next(reader, []), path)


def csv_rows(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and the cells of each row. pandas would silently fill short rows.

    Raises:
        DataError: a row has more or fewer cells than there are columns, or it is not a CSV file.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator, strict=True)
        with _explained(path, reader):
            names = named_columns(next(reader, []), path)
            before = reader.line_num
            for cells in reader:
                line, before = before + 1, reader.line_num
                if not cells:
                    continue  # an empty line, which pandas skips too
                if len(cells) != len(names):
                    problem = (
                        f"column {names[len(cells)]!r} is missing"
                        if len(cells) < len(names)
                        else f"the first extra cell is {cells[len(names)]!r}"
                    )
                    raise DataError(
                        f"{path}, line {line}: the row has {len(cells)} cells, but the first line "
                        f"names {len(names)} columns ({problem})"
                    )
                if any("\0" in cell for cell in cells):
                    raise DataError(
                        f"{path}, line {line}: the row has a zero byte; this is not a text file"
                    )
                yield line, cells


@contextmanager
def _explained(path: Path, reader: Any) -> Iterator[None]:
    """Turn errors of csv and of decoding into DataError with the line."""
    try:
        yield
    except csv.Error as error:
        raise DataError(
            f"{path}, line {reader.line_num}: {error}; a quote may be unclosed"
        ) from error
    except UnicodeDecodeError as error:
        line = _line_that_is_not_text(path)
        raise DataError(f"{path}, line {line}: not UTF-8 text; save the file as UTF-8") from error


def _line_that_is_not_text(path: Path) -> int:
    """Return the number of the first line that is not UTF-8."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 1


def named_columns(names: Sequence[str], path: Path) -> list[str]:
    """Return the column names; a column without a name gets a number, for example `column 3`.

    Raises:
        DataError: there is no column, or two have the same name.
    """
    if not names:
        raise DataError(f"{path} is empty; the first line must name the columns")
    named = [name.strip() or f"column {number + 1}" for number, name in enumerate(names)]
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{path}, line 1: two columns have the name {twice!r}; rename one")
    return named


def guess_separator(path: Path) -> str:
    """Return the separator that splits the first line into the most columns: , ; tab or |."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first = file.readline()
    counts = {mark: len(next(csv.reader([first], delimiter=mark), [])) for mark in SEPARATORS}
    return max(counts, key=lambda mark: counts[mark])

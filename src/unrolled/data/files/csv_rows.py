"""The rows of a CSV file, one after the other, or what is wrong with a line."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unrolled.errors import DataError

SEPARATORS = (",", ";", "\t", "|")


def csv_names(path: Path, separator: str) -> list[str]:
    """Return the column names that stand in the first line.

    Raises:
        DataError: the file is empty, two names are the same, or it is no CSV file.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator, strict=True)
        with _explained(path, reader):
            return named_columns(next(reader, []), path)


def csv_rows(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line and the cells of each row; pandas would fill short rows in silence.

    Raises:
        DataError: a row has more or fewer cells than there are names, or it is no CSV file.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator, strict=True)
        with _explained(path, reader):
            names = named_columns(next(reader, []), path)
            before = reader.line_num
            for cells in reader:
                line, before = before + 1, reader.line_num
                if not cells:
                    continue  # an empty line, which pandas passes over too
                if len(cells) != len(names):
                    is_short = len(cells) < len(names)
                    raise DataError(
                        f"{path}, line {line}: {len(cells)} cells where the first line names "
                        f"{len(names)} columns; column "
                        f"{names[len(cells)] if is_short else len(names) + 1!r} is "
                        f"{'missing' if is_short else 'too much'}"
                    )
                if any("\0" in cell for cell in cells):
                    raise DataError(f"{path}, line {line}: a zero byte; this is no text file")
                yield line, cells


@contextmanager
def _explained(path: Path, reader: Any) -> Iterator[None]:
    """Say what is wrong with a file that cannot be read as text or as CSV, and in which line."""
    try:
        yield
    except csv.Error as error:
        raise DataError(
            f"{path}, line {reader.line_num}: {error}; a quote may not be closed"
        ) from error
    except UnicodeDecodeError as error:
        line = _line_that_is_not_text(path)
        raise DataError(f"{path}, line {line}: not UTF-8 text; save it as UTF-8") from error


def _line_that_is_not_text(path: Path) -> int:
    """Return the first line that is not UTF-8; the error itself counts within a piece."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 1


def named_columns(names: Sequence[str], path: Path) -> list[str]:
    """Return the names of the columns, numbered where they have none.

    Raises:
        DataError: there is no column, or two have the same name.
    """
    if not names:
        raise DataError(f"{path} is empty; the first line has to name the columns")
    named = [name.strip() or f"column {number + 1}" for number, name in enumerate(names)]
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{path}, line 1: two columns are called {twice!r}")
    return named


def guess_separator(path: Path) -> str:
    """Return what separates the names in the first line of a CSV file: , ; tab or |."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first = file.readline()
    counts = {mark: len(next(csv.reader([first], delimiter=mark), [])) for mark in SEPARATORS}
    return max(counts, key=lambda mark: counts[mark])

"""Reads a CSV file as a series of tables.

pandas parses a few megabytes at a time. Cells are counted, and where a row may be too short or
too long, or a quote unclosed, a strict reader finds the line for the message.
"""

import io
import logging
import re
import warnings
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from unrolled.data.files.csv_rows import Dialect, csv_rows
from unrolled.data.files.opening import open_bytes
from unrolled.data.files.packed import as_categories
from unrolled.data.files.tabular import EMPTY_CELLS, Table
from unrolled.errors import DataError

log = logging.getLogger(__name__)

BLOCK_BYTES = 2**20
NO_VALUE = sorted(
    {form(cell) for cell in EMPTY_CELLS for form in (str, str.upper, str.title)} | {"NaN"}
)


def csv_tables(path: Path, dialect: Dialect, *, text: Collection[str]) -> Iterator[Table]:
    """Yield the rows of a CSV file in order, some at a time.

    dialect: how the file is written; see `dialect_of`.
    text: columns whose cells are kept as they are written. pandas decides on the others: a column
        in which every cell is a number or empty becomes one of numbers.

    Raises:
        DataError: the file is damaged. The message names the line.
    """
    first_row = 0
    for block in _blocks(path, dialect):
        frame = _parsed(path, block, dialect, text)
        if not len(frame):
            continue
        yield Table(path, frame, first_row=first_row, dialect=dialect)
        first_row += len(frame)


def _blocks(path: Path, dialect: Dialect) -> Iterator[bytes]:
    """Yield the text of a file after the header, cut at line ends outside of quotes."""
    rest, comment = b"", dialect.comment
    with open_bytes(path) as file:
        for _ in range(dialect.skip):
            while b"\n" not in rest and (more := file.read(BLOCK_BYTES)):
                rest += more
            rest = rest.partition(b"\n")[2]
        while content := file.read(BLOCK_BYTES):
            rest += content
            end = rest.rfind(b"\n") + 1
            while end and rest.count(b'"', 0, end) % 2:
                end = rest.rfind(b"\n", 0, end - 1) + 1
            if end:
                yield _without_comments(rest[:end], comment)
                rest = rest[end:]
        if file.encoding != dialect.encoding:  # the first lines are ASCII
            log.info("%s: detected text in %s", path.name, file.encoding)
    if rest:
        yield _without_comments(rest, comment)


def _without_comments(block: bytes, comment: str) -> bytes:
    """Return a block in which comment lines are empty, so that others keep their number."""
    if not comment:
        return block
    return re.sub(rb"^" + re.escape(comment.encode()) + rb"[^\n]*", b"", block, flags=re.MULTILINE)


def _parsed(path: Path, block: bytes, dialect: Dialect, text: Collection[str]) -> pd.DataFrame:
    if b"\0" in block or not _is_utf8(block) or _has_stray_quote(block, dialect.separator):
        _require_regular(path, dialect)
    names = list(dialect.names)
    words = [name for name in names if name in text]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                io.BytesIO(block),
                sep=dialect.separator,
                decimal=dialect.decimal,
                header=None,
                names=names,
                index_col=False,
                dtype=dict.fromkeys(words, object),
                keep_default_na=False,
                na_values={name: NO_VALUE for name in names if name not in words},
                low_memory=False,
                encoding="utf-8",
            )
    except pd.errors.EmptyDataError:
        return pd.DataFrame(columns=names)
    except (ValueError, pd.errors.ParserWarning) as error:
        _require_regular(path, dialect)
        raise DataError(f"{path}: {error}") from error
    if not dialect.splits_at_blanks and _num_separators(block, dialect.separator) != len(frame) * (
        len(names) - 1
    ):
        _require_regular(path, dialect)
    if dialect.splits_at_blanks and frame.iloc[:, -1].isna().any():
        _require_regular(path, dialect)
    if len(names) == 1 and re.search(rb"^[ \t]+\r?$", block, flags=re.MULTILINE):
        raise DataError(f"{path}: a line holds nothing but blanks; delete it")
    for name in words:
        frame[name] = as_categories(frame[name].to_numpy(dtype=object))
    return frame


def _is_utf8(block: bytes) -> bool:
    if block.isascii():
        return True
    try:
        block.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _has_stray_quote(block: bytes, separator: str) -> bool:
    """Return whether a quote is in the middle of a cell, which csv refuses and pandas accepts."""
    if b'"' not in block:
        return False
    mark = re.escape(separator.encode())
    return re.search(rb'[^"\r\n' + mark + rb']"[^"\r\n' + mark + rb"]", block) is not None


def _num_separators(block: bytes, separator: str) -> int:
    """Return the number of separators outside of quotes."""
    if b'"' not in block:
        return block.count(separator.encode())
    signs = np.frombuffer(block, dtype=np.uint8)
    outside = np.cumsum(signs == ord('"'), dtype=np.uint8) % 2 == 0
    return int(np.count_nonzero((signs == ord(separator)) & outside))


def _require_regular(path: Path, dialect: Dialect) -> None:
    """Read the file strictly, row by row.

    Raises:
        DataError: a row has too few or too many cells, or is no row of a CSV file.
    """
    for _ in csv_rows(path, dialect):
        pass


def line_of(path: Path, dialect: Dialect, row: int) -> int:
    """Return the number of the line in which a row of the file begins."""
    for number, (line, _) in enumerate(csv_rows(path, dialect)):
        if number == row:
            return line
    raise AssertionError(f"{path} has no row {row}")

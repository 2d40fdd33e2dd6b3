"""How a CSV file is written, and a strict reader that yields its rows; errors name the line."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from unrolled.data.files.opening import open_bytes, read_text
from unrolled.data.files.tabular import is_number, plain
from unrolled.errors import DataError

SEPARATORS = (",", ";", "\t", "|")
BLANKS = r"\s+"  # the separator of files such as those of numpy.savetxt
SAMPLE_BYTES = 2**18
DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+([eE][-+]?\d+)?")
THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+")


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written.

    separator: one character, or BLANKS.
    names: of the columns.
    skip: lines before the first row, with the one that names the columns.
    header: whether a line names the columns.
    decimal: `.` or `,`.
    comment: sign with which comment lines begin, or "".
    encoding: UTF-8, UTF-16 or cp1252.
    """

    separator: str
    names: tuple[str, ...]
    skip: int
    header: bool
    decimal: str
    comment: str
    encoding: str

    @property
    def splits_at_blanks(self) -> bool:
        """Whether any number of blanks separates two cells."""
        return self.separator == BLANKS


def dialect_of(
    path: Path, *, separator: str | None, header: bool | None, decimal: str | None
) -> Dialect:
    """Return how a file is written; what is None is detected from its first lines.

    Comment lines before the first row, and the line `sep=;` of Excel, are skipped.

    Raises:
        DataError: the file is empty or not a text file, or two columns have the same name.
    """
    with open_bytes(path) as file:
        sample = b""
        while len(sample) < SAMPLE_BYTES and (more := file.read(SAMPLE_BYTES)):
            sample += more
        encoding = file.encoding
    if len(sample) >= SAMPLE_BYTES:
        sample = sample[: sample.rfind(b"\n") + 1] or sample  # the last line may be cut
    with _decoded(path, sample) as text:
        lines = text.splitlines(keepends=True)
    skip = 0
    if lines and (named_by_excel := re.fullmatch(r'"?sep=(.)"?', lines[0].strip("\r\n"))):
        separator, skip = separator or named_by_excel[1], 1
    comment = lines[skip][0] if lines[skip:] and lines[skip][0] in "#%" else ""
    start = skip
    while comment and lines[skip:] and lines[skip].startswith(comment):
        skip += 1
    body = [line for line in lines[skip:] if line.strip()]
    while lines[skip:] and not lines[skip].strip():
        skip += 1
    if not body:
        raise DataError(f"{path} is empty; the first line must name the columns")
    separator = separator or guess_separator(body)
    rows = _split(body[:200], separator)
    is_data = _is_data(rows) if header is None else not header
    decimal = decimal or _decimal(rows if is_data else rows[1:])
    found = partial(Dialect, separator, decimal=decimal, comment=comment, encoding=encoding)
    if is_data and header is None and skip > start:  # as numpy.savetxt writes names
        (named,) = _split([lines[skip - 1].lstrip(comment + " ")], separator)
        if len(named) == len(rows[0]):
            return found(tuple(named_columns(named, path)), skip, header=True)
    if is_data:
        names = tuple(f"column {number + 1}" for number in range(len(rows[0])))
        return found(names, skip, header=False)
    names = tuple(named_columns(rows[0], path))
    skip += 1 + sum(cell.count("\n") for cell in rows[0])
    return found(names, skip, header=True)


def guess_separator(lines: Sequence[str]) -> str:
    """Return the sign that splits the first line into the most columns: , ; tab | or blanks."""
    first = lines[0]
    counts = {mark: len(next(csv.reader([first], delimiter=mark), [])) for mark in SEPARATORS}
    best = max(counts, key=lambda mark: counts[mark])
    cells = first.split()
    numeric = len(cells) > 1 and all(map(is_number, cells))
    return BLANKS if counts[best] == 1 and numeric else best


def _split(lines: Sequence[str], separator: str) -> list[list[str]]:
    if separator == BLANKS:
        return [line.split() for line in lines]
    try:
        return list(csv.reader(io.StringIO("".join(lines), newline=""), delimiter=separator))
    except csv.Error:
        return [line.strip().split(separator) for line in lines]


def _is_data(rows: list[list[str]]) -> bool:
    """Return whether the first row holds data rather than the names of columns.

    Numbers as names count the steps: they rise by equal amounts, as in 0, 1, 2 or 0.0, 0.5, 1.0.
    """
    if len(rows) < 2:
        return False
    first = [cell.strip() for cell in rows[0]]
    others = [row for row in rows[1:] if len(row) == len(first)]
    numeric = [n for n, cell in enumerate(first) if _any_number(cell)]
    words = [n for n, cell in enumerate(first) if cell and n not in numeric]
    if not numeric or not others:
        return False
    if any(row[n].strip() == first[n] for n in words for row in others):
        return True
    numbers = [float(first[n].replace(",", ".")) for n in numeric]
    if len(numbers) < 3 and any(set(first[n]) & set(".,-") for n in numeric):
        return all(_any_number(others[0][n]) for n in numeric)
    gaps = [after - before for before, after in pairwise(numbers)]
    rises = all(gap > 0 for gap in gaps)
    even = rises and (not gaps or max(gaps) <= 1.001 * min(gaps) + 1e-9)
    whole = all(number == int(number) and number >= 0 for number in numbers)
    return not (even or (rises and whole))


def _any_number(cell: str) -> bool:
    return is_number(cell) or DECIMAL_COMMA.fullmatch(cell.strip()) is not None


def _decimal(rows: list[list[str]]) -> str:
    """Return `,` if a column holds numbers with a decimal comma and none with a point, else `.`.

    Numbers such as 1,234 may have a comma between thousands, so they decide nothing.
    """
    found = False
    for column in zip(*(row for row in rows if rows and len(row) == len(rows[0])), strict=True):
        cells = [cell.strip() for cell in column if cell.strip()]
        commas = [cell for cell in cells if DECIMAL_COMMA.fullmatch(cell)]
        if any("." in cell and is_number(cell) for cell in cells):
            return "."
        if commas and all(DECIMAL_COMMA.fullmatch(cell) or is_number(cell) for cell in cells):
            found = found or not all(THOUSANDS.fullmatch(cell) for cell in commas)
    return "," if found else "."


def csv_rows(path: Path, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and the cells of each row. pandas would silently fill short rows.

    Raises:
        DataError: a row has more or fewer cells than there are columns, or it is not a CSV file.
    """
    content = read_text(path)
    with _decoded(path, content) as text:
        file = io.StringIO(text, newline="")
    for _ in range(dialect.skip):
        file.readline()
    source = (
        "\n" if dialect.comment and line.startswith(dialect.comment) else line for line in file
    )
    if dialect.splits_at_blanks:
        rows: Any = enumerate((line.split() for line in source), start=dialect.skip + 1)
    else:
        rows = _strict(path, csv.reader(source, delimiter=dialect.separator, strict=True), dialect)
    names = dialect.names
    for line, cells in rows:
        if not cells:
            continue  # an empty line, which pandas skips too
        if len(cells) != len(names):
            if len(cells) == 1 and not cells[0].strip():
                continue
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


def _strict(path: Path, reader: Any, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    before = dialect.skip
    try:
        for cells in reader:
            line, before = before + 1, dialect.skip + reader.line_num
            yield line, cells
    except csv.Error as error:
        raise DataError(
            f"{path}, line {dialect.skip + reader.line_num}: {error}; a quote may be unclosed"
        ) from error


@contextmanager
def _decoded(path: Path, content: bytes) -> Iterator[str]:
    """Yield the text, or raise DataError with the first line that is not UTF-8."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, line {line}: not UTF-8 text; save the file as UTF-8") from error
    yield text


def named_columns(names: Sequence[str], path: Path) -> list[str]:
    """Return the column names; a column without a name gets a number, for example `column 3`.

    Raises:
        DataError: there is no column, or two have the same name.
    """
    if not names:
        raise DataError(f"{path} is empty; the first line must name the columns")
    named = [plain(name) or f"column {number + 1}" for number, name in enumerate(names)]
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{path}, line 1: two columns have the name {twice!r}; rename one")
    return named

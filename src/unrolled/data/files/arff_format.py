r"""Reads the ARFF files of the UCR/UEA archive.

A data line is a sequence. A univariate one has a numeric attribute for each step. A multivariate
one has a relational attribute, whose quoted value holds the dimensions, separated by `\n`. The
class is the last attribute.

Sources: waikato.github.io/weka-wiki/formats_and_processing/arff_stable and
www.timeseriesclassification.com/description.php. `scipy.io.arff` reads the same values, but
its errors do not name the line. The tests compare with it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from unrolled.data.files.archive_lines import numbered_lines, parse_dimensions
from unrolled.data.files.labels import ONLY_CLASSES
from unrolled.data.files.tabular import counted, shown
from unrolled.errors import DataError

NUMERIC = ("numeric", "real", "integer")
# A quoted or a plain cell, up to the next comma.
CELL = re.compile(r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^,'"]*?))\s*(?:,|$)""")
ATTRIBUTE = re.compile(r"""@attribute\s+('[^']*'|"[^"]*"|\S+)\s+(.+)""", re.IGNORECASE)


@dataclass(frozen=True)
class _Header:
    """The attributes of a file.

    num_cells: of a data line.
    num_steps: of a sequence.
    is_relational: whether the first cell of a line holds all values.
    class_names: None without a class attribute.
    """

    num_cells: int
    num_steps: int
    is_relational: bool
    class_names: list[str] | None


def arff_sequences(
    path: Path, *, labelled: bool
) -> Iterator[tuple[npt.NDArray[np.float64], str | None]]:
    """Yield the values, (t, d), and the class of each sequence, or None without a class.

    Steps at the end without a value are padding, as the archive writes sequences of different
    lengths.

    labelled: whether classes are needed.

    Raises:
        DataError: the file is damaged, has other attributes, or lacks classes that are needed. The
            message names the line, when the reader reaches it.
    """
    lines = numbered_lines(path)
    header = _header(path, lines)
    if labelled and header.class_names is None:
        raise DataError(
            f"{path} has no class attribute; the last attribute must list the classes, for example "
            f"`@attribute class {{a,b}}`. If it is a number to predict: {ONLY_CLASSES}"
        )
    num_dimensions = 0
    for number, line in lines:
        if not line.strip() or line.startswith("%"):
            continue
        values, label = _sequence(path, number, line, header, labelled=labelled)
        num_dimensions = num_dimensions or values.shape[1]
        if values.shape[1] != num_dimensions:
            raise DataError(
                f"{path}, line {number}: the sequence has {counted(values.shape[1], 'dimension')}, "
                f"the first sequence has {num_dimensions}"
            )
        yield values, label
    if not num_dimensions:
        raise DataError(f"{path} has no sequence after @data")


def _sequence(
    path: Path, number: int, line: str, header: _Header, *, labelled: bool
) -> tuple[npt.NDArray[np.float64], str | None]:
    """Return the values and the class of a data line."""
    if line.lstrip().startswith("{"):
        raise DataError(f"{path}, line {number}: sparse ARFF is not supported; write all values")
    cells = _cells(line)
    if cells is None:
        raise DataError(f"{path}, line {number}: a quote is unclosed")
    if len(cells) != header.num_cells:
        raise DataError(
            f"{path}, line {number}: the line has {counted(len(cells), 'value')}, but the header "
            f"has {counted(header.num_cells, 'attribute')}"
        )
    known = header.class_names
    label = None if known is None else cells.pop()
    if known is not None and label not in known and (labelled or label != "?"):
        raise DataError(
            f"{path}, line {number}: the class {label!r} is not in the header, which lists "
            f"{shown(known)}"
        )
    dimensions = re.split(r"\\n|\n", cells[0]) if header.is_relational else [",".join(cells)]
    values = parse_dimensions(path, number, dimensions)
    if len(values) != header.num_steps:
        raise DataError(
            f"{path}, line {number}: the sequence has {counted(len(values), 'step')}, but the "
            f"header has {counted(header.num_steps, 'attribute')} for steps"
        )
    there = np.flatnonzero(~np.isnan(values).all(axis=1))
    if not len(there):
        raise DataError(f"{path}, line {number}: the sequence has no values")
    return values[: there[-1] + 1], label


def _cells(line: str) -> list[str] | None:
    """Return the cells of a line without quotes, or None if a quote is unclosed."""
    if "'" not in line and '"' not in line:
        return [cell.strip() for cell in line.split(",")]
    cells, position = [], 0
    while position <= len(line):
        match = CELL.match(line, position)
        if match is None:
            return None
        cells.append(next(text for text in (*match.groups(), "") if text is not None))
        if match.end() == len(line) and not match[0].endswith(","):
            break
        position = match.end()
    return cells


def _header(path: Path, lines: Iterator[tuple[int, str]]) -> _Header:
    """Return the attributes; consumes the lines up to @data.

    Raises:
        DataError: an attribute has another type, or there is no @data line.
    """
    types: list[str] = []  # of the attributes outside of a relation
    num_inside: int | None = None  # attributes of the relation
    is_inside = False
    for number, line in lines:
        words = line.strip().lower()
        if words.startswith("@data"):
            break
        if words.startswith("@end"):
            is_inside = False
        elif words.startswith("@attribute"):
            match = ATTRIBUTE.fullmatch(line.strip())
            kind = "" if match is None else match[2].strip()
            name = "" if match is None else match[1].strip("'\"")
            if is_inside:
                assert num_inside is not None
                num_inside += 1
            if kind.lower() == "relational" and num_inside is None:
                num_inside, is_inside = 0, True
                types.append("relational")
            elif kind.lower() in NUMERIC or (kind.startswith("{") and kind.endswith("}")):
                if not is_inside:
                    types.append(kind)
            else:
                raise DataError(
                    f"{path}, line {number}: the attribute {name!r} has the type "
                    f"{kind!r}; need numeric steps (or one relational attribute) and a class that "
                    f"is listed in braces. Save other tables as CSV"
                )
        elif words and not words.startswith(("%", "@relation")):
            raise DataError(f"{path}, line {number}: expected @data before {line[:30]!r}")
    else:
        raise DataError(f"{path} has no @data line; the file is cut off or not an ARFF file")
    return _checked_header(path, types, num_inside)


def _checked_header(path: Path, types: list[str], num_inside: int | None) -> _Header:
    has_classes = bool(types) and types[-1].startswith("{")
    steps = types[:-1] if has_classes else types
    wanted = ["relational"] if num_inside is not None else [*filter(_is_numeric, steps)]
    if not steps or steps != wanted:
        raise DataError(
            f"{path}: the attributes before the class must be numbers, or one relational attribute"
            f"; save a table with columns of words, or with several labels, as CSV"
        )
    return _Header(
        num_cells=len(types),
        num_steps=len(steps) if num_inside is None else num_inside,
        is_relational=num_inside is not None,
        class_names=_cells(types[-1][1:-1]) if has_classes else None,
    )


def _is_numeric(kind: str) -> bool:
    return kind.lower() in NUMERIC

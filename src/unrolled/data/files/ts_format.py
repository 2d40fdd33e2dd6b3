"""Reads the .ts format of the UCR/UEA archive.

Source: www.timeseriesclassification.com/description.php
"""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from unrolled.data.files.opening import read_text
from unrolled.data.files.recordings import Numbered, Recordings
from unrolled.data.files.tabular import counted
from unrolled.errors import DataError

MISSING_VALUES = ("?", "NaN", "nan", "")


def read_ts(path: Path, *, labelled: bool) -> Recordings:
    """Return the recordings of a .ts file: a line per sequence, dimensions separated by colons.

    Lengths may differ. Features get the names dim_0, dim_1 and so on. The values ? and NaN are
    missing.

    labelled: whether class labels are needed.

    Raises:
        DataError: the file is missing or damaged, has time stamps, or lacks class labels that are
            needed. The message names file, line and dimension.
    """
    sequences = list(ts_sequences(path, labelled=labelled))
    values = [value for value, _ in sequences]
    return Recordings(
        ids=Numbered.up_to(len(values)),
        steps=np.concatenate(values),
        lengths=np.array([*map(len, values)]),
        labels=[label for _, label in sequences if label is not None] if labelled else None,
        feature_names=dimension_names(values[0]),
        groups=None,
        spans=None,
    )


def dimension_names(values: npt.NDArray[np.float64]) -> list[str]:
    """Return the feature names, (d,), of a sequence of shape (t, d)."""
    return [f"dim_{number}" for number in range(values.shape[1])]


def ts_sequences(
    path: Path, *, labelled: bool
) -> Iterator[tuple[npt.NDArray[np.float64], str | None]]:
    """Yield the values, (t, d), and the class of each sequence, or None without class labels.

    Raises:
        DataError: as `read_ts`, but only when the reader reaches the line.
    """
    lines = _lines(path)
    header = _header(path, lines)
    has_labels = header.get("classlabel", "false").split()[0].lower() == "true"
    if labelled and not has_labels:
        raise DataError(f"{path} has no class labels; need a line such as `@classLabel true a b`")
    known = header.get("classlabel", "").split()[1:]
    first = None
    for number, line in lines:
        if not line.strip() or line.startswith(("#", "%")):
            continue
        dimensions, label = line.strip().split(":"), None
        if has_labels:
            label = dimensions.pop().strip()
            if label not in known:
                raise DataError(
                    f"{path}, line {number}: the class {label!r} is not in @classLabel, which "
                    f"lists {' '.join(known)}"
                )
        if not dimensions:
            raise DataError(f"{path}, line {number}: the line has a class but no values")
        values = _values(path, number, dimensions)
        first = values.shape if first is None else first
        if values.shape[1] != first[1]:
            raise DataError(
                f"{path}, line {number}: the sequence has {counted(values.shape[1], 'dimension')}, "
                f"the first sequence has {first[1]}"
            )
        _require_declared(path, number, header, values, first)
        yield values, label
    if first is None:
        raise DataError(f"{path} has no sequence after @data")


def _require_declared(
    path: Path,
    number: int,
    header: dict[str, str],
    values: npt.NDArray[np.float64],
    first: tuple[int, ...],
) -> None:
    """Check that a sequence has the size that the header declares."""
    declared = {
        "dimensions": (values.shape[1], "dimension"),
        "serieslength": (len(values), "step"),
    }
    for key, (found, what) in declared.items():
        text = header.get(key, "")
        if text.isdigit() and int(text) not in (0, found):
            raise DataError(
                f"{path}, line {number}: the sequence has {counted(found, what)}, but @{key} "
                f"is {text}"
            )
    if header.get("equallength", "").lower() == "true" and len(values) != first[0]:
        raise DataError(
            f"{path}, line {number}: the sequence has {counted(len(values), 'step')}, the first "
            f"has {first[0]}, but @equalLength is true"
        )


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text file with their numbers."""
    number = 0
    try:
        for number, line in enumerate(io.BytesIO(read_text(path)), start=1):
            yield number, line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}, line {number + 1}: not UTF-8 text ({error.reason}); save the file as UTF-8"
        ) from error


def _header(path: Path, lines: Iterator[tuple[int, str]]) -> dict[str, str]:
    """Return the settings of the header; consumes the lines up to @data."""
    header: dict[str, str] = {}
    for number, line in lines:
        if line.lower().startswith("@data"):
            break
        if line.startswith("@"):
            key, *value = line[1:].split(maxsplit=1) or [""]
            header[key.lower()] = value[0].strip() if value else "false"
        elif line.strip() and not line.startswith(("#", "%")):
            raise DataError(f"{path}, line {number}: expected @data before {line[:30]!r}")
    else:
        raise DataError(f"{path} has no @data line; the file is cut off or not a .ts file")
    if header.get("timestamps", "false").lower() == "true":
        raise DataError(f"{path} has time stamps (@timeStamps true), which are not supported")
    return header


def _values(path: Path, number: int, dimensions: list[str]) -> npt.NDArray[np.float64]:
    """Return the values of a line, (t, d), NaN for a missing value."""
    columns = []
    for dimension, text in enumerate(dimensions):
        cells = [cell.strip() for cell in text.split(",")]
        try:
            column = np.array([_number(cell) for cell in cells])
        except ValueError as error:
            raise DataError(f"{path}, line {number}, dimension {dimension}: {error}") from error
        with np.errstate(over="ignore"):  # reported below
            is_infinite = np.isinf(column.astype(np.float32))
        if is_infinite.any():
            raise DataError(
                f"{path}, line {number}, dimension {dimension}: a value is infinite or too large "
                f"for float32"
            )
        columns.append(column)
    lengths = {len(column) for column in columns}
    if len(lengths) != 1:
        raise DataError(
            f"{path}, line {number}: the dimensions have different numbers of steps: "
            f"{', '.join(map(str, sorted(lengths)))}"
        )
    return np.stack(columns, axis=1)


def _number(cell: str) -> float:
    if cell in MISSING_VALUES:
        return np.nan
    if "_" in cell:  # Python would read 1_0 as 10
        raise ValueError(f"could not convert string to float: {cell!r}")
    return float(cell)

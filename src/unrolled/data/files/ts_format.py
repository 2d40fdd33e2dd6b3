"""The .ts format of the UCR/UEA archive: www.timeseriesclassification.com/description.php."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from unrolled.data.files.paths import require_file
from unrolled.data.files.recordings import Recordings, numbered
from unrolled.errors import DataError

MISSING_VALUES = ("?", "NaN", "nan", "")


def read_ts(path: Path, *, labelled: bool) -> Recordings:
    """Return the recordings of a .ts file: a line per sequence, its dimensions between colons.

    Lengths may differ, dimensions are called dim_0, dim_1 ...; a value that is ? or NaN is missing.

    Raises:
        DataError: the file is missing or damaged, has time stamps, or lacks class labels that are
            needed; names file, line and dimension.
    """
    sequences = list(ts_sequences(path, labelled=labelled))
    values = [value for value, _ in sequences]
    return Recordings(
        ids=numbered(len(values)),
        values=values,
        labels=[label for _, label in sequences if label is not None] if labelled else None,
        feature_names=dimension_names(values[0]),
        groups=None,
        starts=None,
    )


def dimension_names(values: npt.NDArray[np.float32]) -> list[str]:
    """Return the names of the features of a sequence, (t, d)."""
    return [f"dim_{number}" for number in range(values.shape[1])]


def ts_sequences(
    path: Path, *, labelled: bool
) -> Iterator[tuple[npt.NDArray[np.float32], str | None]]:
    """Yield the values, (t, d), and the class of each sequence; None where the file has none.

    Raises:
        DataError: as `read_ts` does, when it comes to the line.
    """
    lines = _lines(path)
    header = _header(path, lines)
    has_labels = header.get("classlabel", "false").split()[0].lower() == "true"
    if labelled and not has_labels:
        raise DataError(f"{path} has no class labels (@classLabel)")
    known = header.get("classlabel", "").split()[1:]
    first = None
    for number, line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        dimensions, label = line.strip().split(":"), None
        if has_labels:
            label = dimensions.pop().strip()
            if label not in known:
                raise DataError(
                    f"{path}, line {number}: {label!r} is none of the classes of @classLabel, "
                    f"{' '.join(known)}"
                )
        if not dimensions:
            raise DataError(f"{path}, line {number}: a class, and no values before it")
        values = _values(path, number, dimensions)
        first = values.shape if first is None else first
        if values.shape[1] != first[1]:
            raise DataError(
                f"{path}, line {number}: {values.shape[1]} dimensions, the first sequence has "
                f"{first[1]}"
            )
        _require_promised(path, number, header, values, first)
        yield values, label
    if first is None:
        raise DataError(f"{path} has no line behind @data")


def _require_promised(
    path: Path,
    number: int,
    header: dict[str, str],
    values: npt.NDArray[np.float32],
    first: tuple[int, ...],
) -> None:
    """Refuse a sequence that has not the size which the header says all have."""
    promised = {
        "dimensions": (values.shape[1], "dimensions"),
        "serieslength": (len(values), "steps"),
    }
    for key, (found, what) in promised.items():
        text = header.get(key, "")
        if text.isdigit() and int(text) not in (0, found):
            raise DataError(f"{path}, line {number}: {found} {what}, @{key} says {text}")
    if header.get("equallength", "").lower() == "true" and len(values) != first[0]:
        raise DataError(
            f"{path}, line {number}: {len(values)} steps, the first sequence has {first[0]}, and "
            "@equalLength says that all have the same"
        )


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text file with their numbers."""
    require_file(path)
    number = 0
    try:
        with path.open(encoding="utf-8-sig") as file:
            for line in file:
                number += 1
                yield number, line.rstrip("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}, behind line {number}: not UTF-8 text ({error.reason})") from error


def _header(path: Path, lines: Iterator[tuple[int, str]]) -> dict[str, str]:
    """Return the settings before the data; the lines behind @data are left."""
    header: dict[str, str] = {}
    for number, line in lines:
        if line.lower().startswith("@data"):
            break
        if line.startswith("@"):
            key, *value = line[1:].split(maxsplit=1) or [""]
            header[key.lower()] = value[0].strip() if value else "false"
        elif line.strip() and not line.startswith("#"):
            raise DataError(f"{path}, line {number}: expected @data before {line[:30]!r}")
    else:
        raise DataError(f"{path} has no @data line; it is no .ts file, or cut off")
    if header.get("timestamps", "false").lower() == "true":
        raise DataError(f"{path} has time stamps (@timeStamps true), which are not read")
    return header


def _values(path: Path, number: int, dimensions: list[str]) -> npt.NDArray[np.float32]:
    """Return the values of a line, (t, d)."""
    columns = []
    for dimension, text in enumerate(dimensions):
        cells = [cell.strip() for cell in text.split(",")]
        try:
            column = np.array([_number(cell) for cell in cells])
        except ValueError as error:
            raise DataError(f"{path}, line {number}, dimension {dimension}: {error}") from error
        with np.errstate(over="ignore"):  # is told here
            is_infinite = np.isinf(column.astype(np.float32))
        if is_infinite.any():
            raise DataError(
                f"{path}, line {number}, dimension {dimension}: a value is not a finite number"
            )
        columns.append(column)
    lengths = {len(column) for column in columns}
    if len(lengths) != 1:
        raise DataError(
            f"{path}, line {number}: dimensions of {', '.join(map(str, sorted(lengths)))} steps, "
            "need one length for all"
        )
    return np.stack(columns, axis=1).astype(np.float32)


def _number(cell: str) -> float:
    if cell in MISSING_VALUES:
        return np.nan
    if "_" in cell:  # which Python reads over: 1_0 is not 10
        raise ValueError(f"could not convert string to float: {cell!r}")
    return float(cell)

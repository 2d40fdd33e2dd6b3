"""The .ts format of the UCR/UEA archive: www.timeseriesclassification.com/description.php."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from unrolled.data.recordings import Recordings
from unrolled.errors import DataError

MISSING = ("?", "NaN", "nan", "")


def read_ts(path: Path, *, labelled: bool) -> Recordings:
    """Return the recordings of a .ts file: a line per sequence, its dimensions between colons.

    Lengths may differ, dimensions are called dim_0, dim_1 ...; a value that is ? or NaN is missing.

    Raises:
        DataError: the file is missing or damaged, has time stamps, or lacks class labels that are
            needed; names file, line and dimension.
    """
    if not path.is_file():
        raise DataError(f"{path.absolute()}: there is no such file; data.path=FILE names another")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error})") from error
    header, first = _header(path, lines)
    has_labels = header.get("classlabel", "false").split()[0].lower() == "true"
    if labelled and not has_labels:
        raise DataError(f"{path} has no class labels (@classLabel)")
    known = header.get("classlabel", "").split()[1:]
    values, labels = [], []
    for number, line in enumerate(lines[first:], start=first + 1):
        if not line.strip() or line.startswith("#"):
            continue
        dimensions = line.strip().split(":")
        if has_labels:
            labels.append(dimensions.pop().strip())
            if labels[-1] not in known:
                raise DataError(
                    f"{path}, line {number}: {labels[-1]!r} is none of the classes of @classLabel, "
                    f"{' '.join(known)}"
                )
        values.append(_values(path, number, dimensions))
        if values[-1].shape[1] != values[0].shape[1]:
            raise DataError(
                f"{path}, line {number}: {values[-1].shape[1]} dimensions, the first sequence has "
                f"{values[0].shape[1]}"
            )
    if not values:
        raise DataError(f"{path} has no line behind @data")
    width = len(str(len(values) - 1))
    return Recordings(
        ids=[f"{row:0{width}d}" for row in range(len(values))],
        values=values,
        labels=labels if has_labels else None,
        feature_names=[f"dim_{number}" for number in range(values[0].shape[1])],
        groups=None,
        starts=None,
    )


def _header(path: Path, lines: list[str]) -> tuple[dict[str, str], int]:
    """Return the settings before the data, and how many lines they take."""
    header: dict[str, str] = {}
    for number, line in enumerate(lines):
        if line.lower().startswith("@data"):
            break
        if line.startswith("@"):
            key, _, value = line[1:].strip().partition(" ")
            header[key.lower()] = value.strip() or "false"
        elif line.strip() and not line.startswith("#"):
            raise DataError(f"{path}, line {number + 1}: expected @data before {line[:30]!r}")
    else:
        raise DataError(f"{path} has no @data line; it is no .ts file, or cut off")
    if header.get("timestamps", "false").lower() == "true":
        raise DataError(f"{path} has time stamps (@timeStamps true), which are not read")
    return header, number + 1


def _values(path: Path, number: int, dimensions: list[str]) -> npt.NDArray[np.float32]:
    """Return the values of a line, (t, d)."""
    columns = []
    for dimension, text in enumerate(dimensions):
        cells = [cell.strip() for cell in text.split(",")]
        try:
            column = np.array([np.nan if cell in MISSING else float(cell) for cell in cells])
        except ValueError as error:
            raise DataError(f"{path}, line {number}, dimension {dimension}: {error}") from error
        if np.isinf(column.astype(np.float32)).any():
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

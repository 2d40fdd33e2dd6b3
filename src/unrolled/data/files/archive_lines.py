"""Lines and values of the text formats of the UCR/UEA archive, .ts and ARFF."""

import io
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from unrolled.data.files.opening import open_bytes
from unrolled.errors import DataError

log = logging.getLogger(__name__)

MISSING_VALUES = ("?", "NaN", "nan", "")


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text file with their numbers.

    Raises:
        DataError: a line is not UTF-8 text.
    """
    number = 0
    try:
        with open_bytes(path) as file:
            content = b"".join(iter(lambda: file.read(2**22), b""))
        if file.encoding != "UTF-8":
            log.info("%s: detected text in %s", path.name, file.encoding)
        for number, line in enumerate(io.BytesIO(content), start=1):
            yield number, line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}, line {number + 1}: not UTF-8 text ({error.reason}); save the file as UTF-8"
        ) from error


def parse_dimensions(path: Path, number: int, dimensions: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return the values of a sequence, (t, d), NaN for a missing value.

    number: of the line, for messages.
    dimensions: values of each dimension, separated by commas.

    Raises:
        DataError: a value is not a finite float32 number, or dimensions differ in length.
    """
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

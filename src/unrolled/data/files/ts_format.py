"""Reads the .ts format of the UCR/UEA archive.

Source: www.timeseriesclassification.com/description.php
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from unrolled.data.files.archive_lines import numbered_lines, parse_dimensions
from unrolled.data.files.labels import ONLY_CLASSES
from unrolled.data.files.tabular import counted
from unrolled.errors import DataError


def ts_sequences(
    path: Path, *, labelled: bool
) -> Iterator[tuple[npt.NDArray[np.float64], str | None]]:
    """Yield the values, (t, d), and the class of each sequence, or None without class labels.

    Lengths may differ. The values ? and NaN are missing.

    labelled: whether class labels are needed.

    Raises:
        DataError: the file is missing or damaged, has time stamps, or lacks class labels that are
            needed. The message names the line and the dimension, when the reader reaches them.
    """
    lines = numbered_lines(path)
    header = _header(path, lines)
    has_labels, has_targets = (_is_true(header, key) for key in ("classlabel", "targetlabel"))
    if labelled and has_targets and not has_labels:
        raise DataError(
            f"{path}: the labels are numbers to predict (@targetLabel true). {ONLY_CLASSES}"
        )
    if labelled and not has_labels:
        raise DataError(f"{path} has no class labels; need a line such as `@classLabel true a b`")
    known = header.get("classlabel", "").split()[1:]
    first = None
    for number, line in lines:
        if not line.strip() or line.startswith(("#", "%")):
            continue
        dimensions, label = line.strip().split(":"), None
        if has_targets and not has_labels:
            dimensions.pop()
        if has_labels:
            label = dimensions.pop().strip()
            if label not in known:
                raise DataError(
                    f"{path}, line {number}: the class {label!r} is not in @classLabel, which "
                    f"lists {' '.join(known)}"
                )
        if not dimensions:
            raise DataError(f"{path}, line {number}: the line has a class but no values")
        values = parse_dimensions(path, number, dimensions)
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


def _is_true(header: dict[str, str], key: str) -> bool:
    return header.get(key, "false").split()[0].lower() == "true"


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
    if _is_true(header, "equallength") and len(values) != first[0]:
        raise DataError(
            f"{path}, line {number}: the sequence has {counted(len(values), 'step')}, the first "
            f"has {first[0]}, but @equalLength is true"
        )


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
    if _is_true(header, "timestamps"):
        raise DataError(f"{path} has time stamps (@timeStamps true), which are not supported")
    return header

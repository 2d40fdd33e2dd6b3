"""Columns of a table in little memory, part by part."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import union_categoricals

NARROW = (np.int8, np.int16, np.int32)


@dataclass(frozen=True)
class PackedColumn:
    """The cells of a column in consecutive rows; whole numbers take as few bytes as they need.

    cells: (rows,).
    dtype: of the column before.
    """

    cells: Any
    dtype: Any

    @classmethod
    def of(cls, column: pd.Series) -> "PackedColumn":
        """Return the cells of a column."""
        if column.dtype == np.int64:
            return cls(_narrowed(column.to_numpy()), column.dtype)
        if column.dtype.kind in "iufb" and isinstance(column.dtype, np.dtype):
            return cls(column.to_numpy(), column.dtype)
        return cls(column.array, column.dtype)

    def unpacked(self) -> pd.Series:
        """Return the column as it was."""
        cells = self.cells
        if isinstance(cells, np.ndarray) and cells.dtype != self.dtype:
            cells = cells.astype(self.dtype)
        return pd.Series(cells, copy=False)


def unpacked(parts: Sequence[PackedColumn]) -> pd.Series:
    """Return the cells of consecutive parts of a column as one column."""
    columns = [part.unpacked() for part in parts]
    if len(columns) == 1:
        return columns[0]
    if all(isinstance(column.dtype, pd.CategoricalDtype) for column in columns):
        return pd.Series(union_categoricals(columns))
    return pd.concat(columns, ignore_index=True)


def as_categories(cells: npt.NDArray[np.object_]) -> pd.Categorical:
    """Return words as numbers and a list of different words.

    Words often repeat in consecutive rows, and then only the first of each run is looked up.
    """
    starts = np.flatnonzero(np.concatenate([[True], cells[1:] != cells[:-1]]))
    if 2 * len(starts) < len(cells):
        codes, names = pd.factorize(cells[starts])
        codes = codes.repeat(np.diff([*starts.tolist(), len(cells)]))
    else:
        codes, names = pd.factorize(cells)
    return pd.Categorical.from_codes(_narrowed(codes), pd.Index(names, dtype=object))


def _narrowed(numbers: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Return whole numbers in the smallest signed type that holds all of them."""
    if len(numbers):
        low, high = int(numbers.min()), int(numbers.max())
        for dtype in NARROW:
            if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
                return numbers.astype(dtype)
    return numbers

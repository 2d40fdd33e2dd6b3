"""Tables in little memory, which is given back to the system as soon as a table is dropped."""

import mmap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import union_categoricals

from unrolled.data.files.tabular import Table

if TYPE_CHECKING:
    from unrolled.data.files.csv_rows import Dialect

NARROW = (np.int8, np.int16, np.int32)


@dataclass(frozen=True)
class PackedColumn:
    """The cells of a column in consecutive rows.

    cells: (rows,). Whole numbers have the smallest type that holds them.
    dtype: of the column before.
    categories: the words of a column of categories, whose cells are their numbers, else None.
    """

    cells: Any
    dtype: Any
    categories: Any = None

    @classmethod
    def of(cls, column: pd.Series) -> "PackedColumn":
        """Return the cells of a column."""
        if isinstance(column.dtype, pd.CategoricalDtype):
            words = column.cat.categories.array  # without the hash table of an index
            return cls(_narrowed(column.cat.codes.to_numpy()), "category", words)
        if column.dtype == np.int64:
            return cls(_narrowed(column.to_numpy()), column.dtype)
        if column.dtype.kind in "iufb" and isinstance(column.dtype, np.dtype):
            return cls(column.to_numpy(), column.dtype)
        return cls(column.array, column.dtype)

    def unpacked(self) -> pd.Series:
        """Return the column as it was."""
        if self.categories is not None:
            return pd.Series(pd.Categorical.from_codes(self.cells, pd.Index(self.categories)))
        cells = self.cells
        if isinstance(cells, np.ndarray) and cells.dtype != self.dtype:
            cells = cells.astype(self.dtype)
        return pd.Series(cells, copy=False)


class PackedTable(Table):
    """A table in little memory; a column is unpacked when it is needed.

    packed: the columns in the order of the file.
    """

    def __init__(
        self,
        path: Path,
        packed: dict[str, PackedColumn],
        *,
        first_row: int = 0,
        dialect: "Dialect | None" = None,
    ) -> None:
        self.path = path
        self.packed = packed
        self.first_row = first_row
        self.dialect = dialect

    @classmethod
    def of(cls, table: Table) -> "PackedTable":
        """Return the table packed."""
        if isinstance(table, PackedTable):
            return table
        frame = table.frame
        packed = {str(name): PackedColumn.of(frame[name]) for name in frame}
        return cls(table.path, moved(packed), first_row=table.first_row, dialect=table.dialect)

    def __len__(self) -> int:
        return len(next(iter(self.packed.values())).cells)

    @property
    def columns(self) -> list[str]:
        """Column names in the order of the file."""
        return list(self.packed)

    @property
    def frame(self) -> pd.DataFrame:
        """All columns, copied."""
        return pd.DataFrame({name: self.column(name) for name in self.packed})

    def column(self, name: str) -> pd.Series:
        """Return a column, copied."""
        return self.packed[name].unpacked()


def moved(columns: dict[str, PackedColumn]) -> dict[str, PackedColumn]:
    """Return the columns with all numbers in one new memory map.

    Memory maps are given back to the system at once, while the allocator of the C library keeps
    freed memory of a few megabytes.
    """
    arrays = {
        name: column.cells
        for name, column in columns.items()
        if isinstance(column.cells, np.ndarray) and column.cells.dtype.kind in "iufb"
    }
    sizes = [-(-array.nbytes // 8) * 8 for array in arrays.values()]  # aligned
    if not sum(sizes):
        return columns
    memory = mmap.mmap(-1, sum(sizes))
    start = 0
    for (name, array), size in zip(arrays.items(), sizes, strict=True):
        copy = np.frombuffer(memory, dtype=array.dtype, count=len(array), offset=start)
        np.copyto(copy, array)
        columns = {**columns, name: replace(columns[name], cells=copy)}
        start += size
    return columns


def arrays(length: int, *, num: int) -> list[npt.NDArray[np.float64]]:
    """Return arrays of zeros in one new memory map."""
    memory = mmap.mmap(-1, max(1, 8 * length * num))
    return [
        np.frombuffer(memory, dtype=np.float64, count=length, offset=8 * length * number)
        for number in range(num)
    ]


def unpacked(parts: Iterable[PackedColumn]) -> pd.Series:
    """Return the cells of consecutive parts of a column as one column."""
    columns = [part.unpacked() for part in parts]
    if len(columns) == 1:
        return columns[0]
    if all(isinstance(column.dtype, pd.CategoricalDtype) for column in columns):
        return pd.Series(union_categoricals(columns))
    return pd.concat(columns, ignore_index=True)


def joined(tables: Sequence[PackedTable]) -> PackedTable:
    """Return the rows of tables with the same columns as one table."""
    first = tables[0]
    if len(tables) == 1:
        return first
    columns = {
        name: PackedColumn.of(unpacked(table.packed[name] for table in tables))
        for name in first.packed
    }
    return PackedTable(first.path, moved(columns), dialect=first.dialect)


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
    return pd.Categorical.from_codes(_narrowed(codes), pd.Index(names, dtype="str"))


def _narrowed(numbers: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return whole numbers in the smallest signed type that holds all of them."""
    if len(numbers):
        low, high = int(numbers.min()), int(numbers.max())
        for dtype in NARROW:
            if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
                return numbers.astype(dtype, copy=False)
    return numbers

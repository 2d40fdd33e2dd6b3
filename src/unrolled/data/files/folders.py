"""A folder of CSV files, one per sequence, and `labels.csv` that says which class each has."""

from pathlib import Path

import pandas as pd

from unrolled.data.files.tabular import Table, read_table, shown
from unrolled.errors import DataError

LABELS_FILE = "labels.csv"
FILE = "file"  # column that names the sequence


class FolderTable(Table):
    """The rows of all files, with the file of each in a column.

    origins: table and row that each row comes from, (rows,).
    """

    def __init__(self, path: Path, frame: pd.DataFrame, origins: list[tuple[Table, int]]) -> None:
        super().__init__(path, frame, None)
        self.origins = origins

    def place(self, row: int, column: str | None = None, *, short: bool = False) -> str:
        """Return where a cell is: file, line, column."""
        table, row_of_file = self.origins[row]
        return table.place(row_of_file, column, short=short)


def read_folder(path: Path, *, separator: str | None, label: str, labelled: bool) -> Table:
    """Return the rows of all CSV files of a folder, with the columns `file` and, if wanted, label.

    `labels.csv` names a file in its first column, with or without .csv, and its class in the
    column `label`.

    Raises:
        DataError: there is no file, no label for one, or files have different columns.
    """
    files = sequence_files(path)
    tables = [read_table(file, separator=separator) for file in files]
    for table in tables:
        require_columns(table, like=tables[0])
    frame = pd.concat([table.frame for table in tables], ignore_index=True)
    sizes = [len(table) for table in tables]
    frame[FILE] = [file.stem for file, num in zip(files, sizes, strict=True) for _ in range(num)]
    if labelled:
        classes = _classes(path / LABELS_FILE, separator=separator, label=label)
        lacking = [file.name for file in files if file.stem not in classes]
        if lacking:
            raise DataError(f"{path / LABELS_FILE} says nothing of {shown(lacking)}")
        frame[label] = frame[FILE].map(classes)
    origins = [(table, row) for table in tables for row in range(len(table))]
    return FolderTable(path, frame, origins)


def sequence_files(path: Path) -> list[Path]:
    """Return the CSV files of a folder in the order of their names, less the one of the labels.

    Raises:
        DataError: there is none.
    """
    files = sorted(file for file in path.glob("*.csv") if file.name != LABELS_FILE)
    if not files:
        raise DataError(f"{path.absolute()} holds no CSV files")
    return files


def require_columns(table: Table, *, like: Table) -> None:
    """Refuse a file whose columns are not those of another, in whatever order.

    Raises:
        DataError: names the columns of both, or the one whose name is taken.
    """
    if FILE in table.columns:
        raise DataError(
            f"{table.path}, line 1: a column is called {FILE!r}, which is what the names of the "
            f"files are called; rename it"
        )
    if sorted(table.columns) != sorted(like.columns):
        raise DataError(
            f"{table.path} has the columns {shown(table.columns)}, {like.path} has "
            f"{shown(like.columns)}"
        )


def _classes(path: Path, *, separator: str | None, label: str) -> dict[str, str]:
    """Return the class of each file, by its name without .csv."""
    table = read_table(path, separator=separator)
    files = [name.removesuffix(".csv") for name in table.text(table.columns[0])]
    classes: dict[str, str] = {}
    there = {file.stem for file in sequence_files(path.parent)}
    for row, file in enumerate(files):
        if file not in there:
            raise DataError(f"{table.place(row)}: there is no file '{file}.csv' in {path.parent}")
    for row, (file, name) in enumerate(zip(files, table.text(label), strict=True)):
        if classes.setdefault(file, name) != name:
            raise DataError(f"{table.place(row)}: {file!r} has the label {classes[file]!r} already")
    return classes

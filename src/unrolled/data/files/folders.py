"""Reads a folder of CSV files, one per sequence, with the classes in `labels.csv`."""

from pathlib import Path

import pandas as pd

from unrolled.data.files.tabular import Table, read_table, shown
from unrolled.errors import DataError

LABELS_FILE = "labels.csv"
FILE = "file"  # column that names the sequence


class FolderTable(Table):
    """The rows of all files; a column names the file of each row.

    origins: table and row that each row comes from, (rows,).
    """

    def __init__(self, path: Path, frame: pd.DataFrame, origins: list[tuple[Table, int]]) -> None:
        super().__init__(path, frame, None)
        self.origins = origins

    def place(self, row: int, column: str | None = None, *, short: bool = False) -> str:
        """Return the place of a cell for a message: file, line and column."""
        table, row_of_file = self.origins[row]
        return table.place(row_of_file, column, short=short)


def read_folder(path: Path, *, separator: str | None, label: str, labelled: bool) -> Table:
    """Return the rows of all CSV files of a folder, with the column `file`.

    label: column of `labels.csv` that holds the classes. The first column of `labels.csv` names
        the files, with or without .csv.
    labelled: whether to add the column `label`.

    Raises:
        DataError: the folder has no file, a file has no label, or columns differ between files.
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
            raise DataError(f"{path / LABELS_FILE} has no row for {shown(lacking)}")
        frame[label] = frame[FILE].map(classes)
    origins = [(table, row) for table in tables for row in range(len(table))]
    return FolderTable(path, frame, origins)


def sequence_files(path: Path) -> list[Path]:
    """Return the CSV files of a folder sorted by name, without labels.csv.

    Raises:
        DataError: the folder has none.
    """
    files = sorted(file for file in path.glob("*.csv") if file.name != LABELS_FILE)
    if not files:
        raise DataError(f"{path.absolute()} has no CSV files")
    return files


def require_columns(table: Table, *, like: Table) -> None:
    """Check that a file has the same columns as another, in any order.

    Raises:
        DataError: columns differ, or a column has the reserved name `file`.
    """
    if FILE in table.columns:
        raise DataError(
            f"{table.path}, line 1: the column name {FILE!r} is reserved for the file names; "
            f"rename the column"
        )
    if sorted(table.columns) != sorted(like.columns):
        raise DataError(
            f"{table.path} has the columns {shown(table.columns)}, but {like.path} "
            f"has {shown(like.columns)}; all files of a folder need the same columns"
        )


def _classes(path: Path, *, separator: str | None, label: str) -> dict[str, str]:
    """Return the class of each file; keys are file names without .csv."""
    table = read_table(path, separator=separator)
    files = [name.removesuffix(".csv") for name in table.text(table.columns[0])]
    classes: dict[str, str] = {}
    found = {file.stem for file in sequence_files(path.parent)}
    for row, file in enumerate(files):
        if file not in found:
            raise DataError(f"{table.place(row)}: there is no file '{file}.csv' in {path.parent}")
    for row, (file, name) in enumerate(zip(files, table.text(label), strict=True)):
        if classes.setdefault(file, name) != name:
            raise DataError(f"{table.place(row)}: {file!r} already has the label {classes[file]!r}")
    return classes

"""A folder of CSV files, one per sequence, with the classes in `labels.csv` or as subfolders."""

from collections.abc import Iterator
from pathlib import Path

from unrolled.data.files.csv_rows import dialect_of
from unrolled.data.files.csv_tables import csv_tables
from unrolled.data.files.opening import PACKED
from unrolled.data.files.schema import Schema
from unrolled.data.files.tabular import Table, plain, shown
from unrolled.errors import DataError

LABELS_FILE = "labels.csv"
FILE = "file"  # column that names the sequence
SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".pq")


class Folder:
    """The files of a folder, and the class of each.

    The classes are in `labels.csv`: its first column names the files, with or without .csv. Or
    they are the names of subfolders, as in `walk/1.csv`. Hidden files are skipped.

    path: the folder.
    schema: with the column of `labels.csv` that holds the classes, and how files are written.
    labelled: whether the classes are needed.

    Raises:
        DataError: the folder has no file, or a file has no label.
    """

    def __init__(self, path: Path, schema: Schema, *, labelled: bool) -> None:
        self.path = path
        self._files = sequence_files(path)
        self._by_class = self._files[0].parent != path
        self._like: Table | None = None
        self._classes: dict[Path, str] | None = None
        if labelled and self._by_class:
            self._classes = {file: file.parent.name for file in self._files}
        elif labelled:
            self._classes = self._read_classes(schema)

    def files(self) -> Iterator[tuple[Path, str | None]]:
        """Yield each file with its class, or None if classes are not needed."""
        for file in self._files:
            yield file, None if self._classes is None else self._classes[file]

    def name_of(self, file: Path) -> str:
        """Return the name of the sequence in a file: walk/1 or 1."""
        return f"{file.parent.name}/{file.stem}" if self._by_class else file.stem

    def require_columns(self, table: Table) -> None:
        """Check that a file has the same columns as the first, in any order.

        Raises:
            DataError: columns differ, or a column has the reserved name `file`.
        """
        if FILE in table.columns:
            raise DataError(
                f"{table.path}, line 1: the column name {FILE!r} is reserved for the file names; "
                f"rename the column"
            )
        if self._like is None:
            self._like = Table(table.path, table.frame[:0])
        if sorted(table.columns) != sorted(self._like.columns):
            raise DataError(
                f"{table.path} has the columns {shown(table.columns)}, but {self._like.path} "
                f"has {shown(self._like.columns)}; all files of a folder need the same columns"
            )

    def _read_classes(self, schema: Schema) -> dict[Path, str]:
        path, label = self.path / LABELS_FILE, schema.label or "label"
        if not path.is_file():
            raise DataError(
                f"{self.path} has neither {LABELS_FILE}, with the class of each file, nor a "
                f"subfolder for each class, such as walk/1.csv"
            )
        dialect = dialect_of(path, separator=schema.separator, header=None, decimal=None)
        file_of = {plain(file.name): file for file in self._files}
        file_of |= {plain(file.stem): file for file in self._files}
        classes: dict[Path, str] = {}
        for table in csv_tables(path, dialect, text=dialect.names):
            table.require([label])
            cells = zip(table.text(table.columns[0]), table.text(label), strict=True)
            for row, (name, word) in enumerate(cells):
                file = file_of.get(name) or file_of.get(name.removesuffix(".csv"))
                if file is None:
                    raise DataError(
                        f"{table.place(row)}: there is no file '{name.removesuffix('.csv')}.csv' "
                        f"in {self.path}"
                    )
                if classes.setdefault(file, word) != word:
                    raise DataError(
                        f"{table.place(row)}: {file.stem!r} already has the label {classes[file]!r}"
                    )
        lacking = [file.name for file in self._files if file not in classes]
        if lacking:
            raise DataError(f"{path} has no row for {shown(lacking)}")
        return classes


def sequence_files(path: Path) -> list[Path]:
    """Return the files of a folder, or of its subfolders, sorted by name, without labels.csv.

    Raises:
        DataError: the folder has none.
    """
    files = _tables_in(path)
    if not files:
        files = [
            file
            for folder in sorted(path.iterdir())
            if folder.is_dir() and not folder.name.startswith(".")
            for file in _tables_in(folder)
        ]
    if not files:
        raise DataError(f"{path.absolute()} has no CSV files")
    return files


def _tables_in(path: Path) -> list[Path]:
    return sorted(
        file
        for file in path.iterdir()
        if file.is_file()
        and not file.name.startswith(".")
        and file.name.lower() != LABELS_FILE
        and [part for part in file.suffixes if part.lower() not in PACKED][-1:]
        and [part for part in file.suffixes if part.lower() not in PACKED][-1].lower() in SUFFIXES
    )

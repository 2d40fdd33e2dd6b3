"""The schema of a data set: which columns a file has, and which classes and categories occur."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Float64

from unrolled.data.files.tabular import Table, shown
from unrolled.data.files.words import different
from unrolled.errors import DataError

log = logging.getLogger(__name__)

MOST_WORDS = 50  # of a column whose words become a feature each
MISSING_WORDS = frozenset({"", "na", "n/a", "nan", "null", "?"})


@dataclass(frozen=True)
class Schema:
    """How to read a file.

    A run stores it in preprocessing.json, so that `predict` reads new files as the training file.

    Your settings:

    form: `long` (a row per step), `wide` (a row per sequence), or None to detect it: long if an id
        occurs more than once.
    id, time, label, group: column names, or None if the file has no such column.
    time_feature: whether the time since the previous step becomes an additional feature.
    split_column: column that assigns each sequence to train, val or test, or None.
    resample: time between steps, or None to keep the steps of the file.
    features: column names in order, or None for all columns that have no other meaning.
    categorical: features that hold words. Each word becomes a feature that is 0 or 1.
    embedding: numbers of the vector that the network learns for each word, or None. If it is set,
        a categorical feature is one feature instead, the code of the word; see `encode`.
    separator, header, decimal: how CSV files are written: the character between cells, whether a
        line names the columns, and the sign before decimals. None detects them from the file.
    missing: `refuse`, or how missing values are filled later (`unrolled.data.missing`).

    Fitted on the training file, empty before:

    categories: the words of each categorical feature.
    class_names: (c,).
    feature_names: (d,).
    left_out: columns of a table in wide form that are not used.
    """

    form: str | None = None
    id: str | None = None
    time: str | None = None
    time_feature: bool = False
    label: str | None = None
    group: str | None = None
    split_column: str | None = None
    resample: float | str | None = None
    features: tuple[str, ...] | None = None
    categorical: tuple[str, ...] = ()
    embedding: int | None = None
    separator: str | None = None
    header: bool | None = None
    decimal: str | None = None
    missing: str = "refuse"
    categories: dict[str, list[str]] = field(default_factory=dict)
    class_names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def as_plain(self) -> dict[str, Any]:
        """Return plain values for a JSON file."""
        return asdict(self)

    @classmethod
    def from_plain(cls, values: dict[str, Any]) -> "Schema":
        """Return the schema from the values of `as_plain`, also after a round trip through JSON."""
        tuples = ("features", "categorical", "class_names", "feature_names", "left_out")
        found = {name: tuple(values[name]) for name in tuples if values.get(name) is not None}
        return cls(**{**values, **found})

    @property
    def is_fitted(self) -> bool:
        """Whether the schema knows the classes and features of a training file."""
        return bool(self.class_names)

    @property
    def special_columns(self) -> list[str]:
        """Columns that are not features."""
        columns = (self.id, self.time, self.label, self.group, self.split_column)
        return [name for name in columns if name is not None]

    @property
    def text_columns(self) -> list[str]:
        """Columns that hold words, even if each word is a number."""
        columns = (self.id, self.label, self.group, self.split_column, *self.categorical)
        return [name for name in columns if name is not None]

    @property
    def category_features(self) -> list[str]:
        """Names of the features that hold words: their codes, or one per word that is 0 or 1."""
        return self.code_columns or [
            f"{name}={word}" for name, words in self.categories.items() for word in words
        ]

    @property
    def code_columns(self) -> list[str]:
        """Columns whose words are codes. They are the last features."""
        if self.embedding is None:
            return []
        return [name for name in self.features or () if name in self.categories]

    @property
    def num_words(self) -> list[int]:
        """Number of known words of each code column."""
        return [len(self.categories[name]) for name in self.code_columns]

    @property
    def column_words(self) -> list[tuple[str, str | None]]:
        """The column of each feature that `encode` returns, and its word if it is 0 or 1."""
        codes = self.code_columns
        pairs: list[tuple[str, str | None]] = []
        for column in self.features or ():
            if column not in codes:
                pairs += [(column, word) for word in self.categories.get(column, [None])]
        return [*pairs, *((column, None) for column in codes)]

    def require_named_columns(self, path: Path) -> None:
        """Check that the training file had named columns, so that a table can be read.

        Raises:
            DataError: the training file was an NPZ, .ts or ARFF file.
        """
        if self.features is None:
            raise DataError(
                f"{path}: the run was trained on arrays or a .ts or ARFF file, which has no column "
                f"names; save this data in the same format"
            )

    def require_words(self, path: Path, kind: str) -> None:
        """Check that a file can hold words if the network reads vectors of words.

        Raises:
            DataError: it cannot.
        """
        if self.embedding is not None and kind not in ("csv", "parquet", "folder"):
            raise DataError(
                f"{path}: data.embedding={self.embedding} needs a table with columns of words, "
                f"such as CSV or Parquet"
            )

    def require_features(self, names: Sequence[str], path: Path) -> None:
        """Check that a file has the features of the training file in the same order.

        Formats without names number the features, each in its own way. Then as many are needed.

        Raises:
            DataError: names differ. The message lists both.
        """
        are_numbered = _are_numbers(names) and _are_numbers(self.feature_names)
        if are_numbered and len(names) == len(self.feature_names):
            return
        if list(names) != list(self.feature_names):
            raise DataError(
                f"{path} has the features {shown(names)}, but the run was trained on "
                f"{shown(self.feature_names)}"
            )

    def require_classes(self, names: set[str], path: Path) -> None:
        """Check that every class of a file occurs in the training file.

        Raises:
            DataError: lists the unknown classes.
        """
        unknown = sorted(names - set(self.class_names))
        if unknown:
            raise DataError(
                f"{path}: the class {shown(unknown)} does not occur in the training file, which "
                f"has {shown(self.class_names)}"
            )

    def class_numbers(self, labels: Sequence[str], path: Path) -> npt.NDArray[np.int64]:
        """Return the position of each label in class_names, (n,).

        Raises:
            DataError: a label does not occur in the training file.
        """
        self.require_classes(different(labels), path)
        number_of = {name: number for number, name in enumerate(self.class_names)}
        return np.array([number_of[label] for label in labels], dtype=np.int64)

    def encode(self, table: Table) -> tuple[Float64[npt.NDArray[np.float64], "rows d"], list[str]]:
        """Return the features of every row and their names.

        The code of a word is its position in the known words, counted from 1. A word that is not
        known has the code 0.

        Raises:
            DataError: a cell is not a number, or a value is missing but missing values are refused.
        """
        assert self.features is not None
        codes = self.code_columns
        columns: list[npt.NDArray[np.float64]] = []
        for name in self.features:
            if name in codes:
                continue
            if name in self.categories:
                columns += self._one_hot(table, name)
            else:
                columns.append(self._numeric(table, name))
        columns += [self._codes(table, name) for name in codes]
        names = [name if word is None else f"{name}={word}" for name, word in self.column_words]
        values = np.stack(columns, axis=1) if columns else np.empty((len(table), 0))
        return values, names

    def with_feature(
        self,
        values: Float64[npt.NDArray[np.float64], "rows d"],
        names: list[str],
        *,
        name: str,
        column: Float64[npt.NDArray[np.float64], " rows"],
    ) -> tuple[Float64[npt.NDArray[np.float64], "rows d2"], list[str]]:
        """Return features and names with another numeric feature, which comes before the codes."""
        at = len(names) - len(self.code_columns)
        return np.insert(values, at, column, axis=1), [*names[:at], name, *names[at:]]

    def _numeric(self, table: Table, name: str) -> npt.NDArray[np.float64]:
        numbers = table.numbers(name)
        missing = np.isnan(numbers)
        if missing.any() and self.missing == "refuse":
            raise DataError(
                f"{table.place(int(missing.argmax()), name)}: the value is missing "
                f"({table.such(missing)}); to fill missing values, type "
                f"data.missing=forward (or mean, mask)"
            )
        return numbers

    def _one_hot(self, table: Table, name: str) -> list[npt.NDArray[np.float64]]:
        """Return a column per known word; all are NaN where the word is missing.

        A word that the training file lacks is 0 in every column.
        """
        known = self.categories[name]
        cells = np.asarray(table.cells(name), dtype=object)
        missing = np.array([is_missing_word(cell) for cell in cells])
        self._refuse_missing_words(table, name, missing)
        unknown = ~np.isin(cells, np.asarray(known, dtype=object)) & ~missing
        if unknown.any():
            row = int(unknown.argmax())
            log.warning(
                "%s: the category %r does not occur in the training set, which has %s; it is 0 in "
                "each of them (%s)",
                table.place(row, name),
                cells[row],
                shown(known),
                table.such(unknown),
            )
        return [np.where(missing, np.nan, (cells == word).astype(np.float64)) for word in known]

    def _codes(self, table: Table, name: str) -> npt.NDArray[np.float64]:
        """Return the code of the word in every row, NaN where the word is missing."""
        cells = table.words(name)
        known = {word: code for code, word in enumerate(self.categories[name], start=1)}
        codes = [np.nan if is_missing_word(word) else known.get(word, 0) for word in cells.names]
        values = np.array(codes, dtype=np.float64)[cells.codes]
        self._refuse_missing_words(table, name, np.isnan(values))
        return values

    def _refuse_missing_words(
        self, table: Table, name: str, missing: npt.NDArray[np.bool_]
    ) -> None:
        if missing.any() and self.missing == "refuse":
            raise DataError(
                f"{table.place(int(missing.argmax()), name)}: the value is missing "
                f"({table.such(missing)}); to fill missing words, type data.missing=forward"
            )


def _are_numbers(names: Sequence[str]) -> bool:
    """Return whether features have no names of their own, as in .ts, NPZ and UCR files."""
    numbers = range(len(names))
    arrays, archive = [*map(str, numbers)], [f"dim_{number}" for number in numbers]
    return list(names) in (["value"], ["column"], arrays, archive)  # the first two of tables


def is_missing_word(cell: str) -> bool:
    """Return whether a cell of a categorical feature is empty; `none` is a word."""
    return cell.lower() in MISSING_WORDS

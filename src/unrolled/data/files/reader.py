"""How files are read: what a user says of their columns, and what the first file taught.

A run keeps it in preprocessing.json, so that a new file is read as the training file was.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unrolled.data.files.arrays import read_npz
from unrolled.data.files.folders import FILE, read_folder
from unrolled.data.files.given_splits import parts_of
from unrolled.data.files.recordings import Recordings, class_names_of, from_rows
from unrolled.data.files.resampling import interval_in
from unrolled.data.files.tabular import Table, read_table, shown
from unrolled.data.files.ts_format import read_ts
from unrolled.data.files.wide_form import from_wide_rows
from unrolled.errors import DataError, did_you_mean


@dataclass(frozen=True)
class Reading:
    """The settings of a reader.

    form: long (a row per step), wide (a row per sequence) or None: long where an id occurs twice.
    id, time, label, group: names of columns, or None where there are none.
    split_column: the column that says train, val or test, or None.
    resample: the time between steps, or None for the steps that stand there; see `resampling`.
    time_feature: whether the time since the step before is a feature.
    features: names of columns, or None for all others; in order.
    categorical: those of them that hold words; each word becomes a feature that is 0 or 1, which
        the first matrix of a network embeds.
    separator: of a CSV file, or None to see from its first line.
    missing: refuse, or how missing values are filled later; see `unrolled.data.missing`.
    categories: the words of each categorical feature; learnt.
    class_names: learnt; empty before.
    feature_names: (d,); learnt; empty before.
    """

    form: str | None
    id: str | None
    time: str | None
    time_feature: bool | None
    label: str | None
    group: str | None
    split_column: str | None
    resample: float | str | None
    features: tuple[str, ...] | None
    categorical: tuple[str, ...]
    separator: str | None
    missing: str
    categories: dict[str, list[str]]
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...]

    def as_plain(self) -> dict[str, Any]:
        """Return plain values for a JSON file."""
        return asdict(self)

    @classmethod
    def from_plain(cls, values: dict[str, Any]) -> "Reading":
        """Return what `as_plain` wrote; early runs knew neither split_column nor resample."""
        values = {"split_column": None, "resample": None, **values}
        tuples = ("categorical", "class_names", "feature_names")
        features = None if values["features"] is None else tuple(values["features"])
        return cls(**{**values, "features": features, **{k: tuple(values[k]) for k in tuples}})

    @classmethod
    def untaught(cls, **settings: Any) -> "Reading":
        """Return a reader of which these settings are told, and nothing else."""
        nothing: dict[str, Any] = dict.fromkeys(field.name for field in fields(cls))
        nothing |= {"categorical": (), "categories": {}, "class_names": (), "feature_names": ()}
        return cls.from_plain({**nothing, "missing": "refuse", **settings})

    @property
    def is_learnt(self) -> bool:
        """Whether a first file has been read."""
        return bool(self.class_names)

    def learn(self, path: Path, *, labels_may_change: bool = False) -> tuple["Reading", Recordings]:
        """Return what the training file teaches, and its recordings.

        labels_may_change: whether a sequence in long form may have several.

        Raises:
            DataError: it cannot be read so; names file, line and column.
        """
        taught, recordings = self._read(path, labelled=True, labels_may_change=labels_may_change)
        names = class_names_of(recordings.every_label(), path=str(path))
        taught = replace(
            taught, class_names=tuple(names), feature_names=tuple(recordings.feature_names)
        )
        return taught, recordings

    def read(self, path: Path, *, labelled: bool, labels_may_change: bool = False) -> Recordings:
        """Return the recordings of another file, with the features and in the order learnt.

        labelled: whether labels are needed.
        labels_may_change: whether a sequence may have several.

        Raises:
            DataError: it cannot be read so, or has a class or category that is not known.
        """
        assert self.is_learnt
        recordings = self._read(path, labelled=labelled, labels_may_change=labels_may_change)[1]
        self.require_features(recordings.feature_names, path)
        unknown = sorted(recordings.every_label() - set(self.class_names))
        if labelled and unknown:
            raise DataError(
                f"{path}: {shown(unknown)} is no class of the training file, which has "
                f"{shown(self.class_names)}"
            )
        return recordings

    def require_features(self, names: Sequence[str], path: Path) -> None:
        """Refuse a file that has not the features that were learnt, in their order.

        Raises:
            DataError: names those of both.
        """
        if list(names) != list(self.feature_names):
            raise DataError(
                f"{path} has the features {shown(names)}; the run was trained on "
                f"{shown(self.feature_names)}"
            )

    def _read(
        self, path: Path, *, labelled: bool, labels_may_change: bool
    ) -> tuple["Reading", Recordings]:
        if path.is_dir():
            known = replace(self, form="long", id=FILE, label=self.label or "label")
            table = read_folder(
                path, separator=self.separator, label=known.label or "", labelled=labelled
            )
            return known._read_table(table, labelled, labels_may_change)
        read = {".npz": read_npz, ".ts": read_ts}.get(path.suffix.lower())
        if read is None:
            table = read_table(path, separator=self.separator)
            return self._read_table(table, labelled, labels_may_change)
        if self.resample is not None or self.split_column is not None:
            raise DataError(f"{path} has no columns for data.resample or data.split_column")
        recordings = read(path, labelled=labelled)
        if self.missing == "refuse":
            recordings.refuse_missing(path, first_step=0)
        return self, recordings

    def _read_table(
        self, table: Table, labelled: bool, labels_may_change: bool
    ) -> tuple["Reading", Recordings]:
        if labelled and self.label is None:
            raise DataError(
                f"{table.path}: which column is the label? data.label=COLUMN, of "
                f"{shown(table.columns)}; `unrolled inspect path=FILE` guesses"
            )
        known = self if self.is_learnt else replace(self, form=self.form or _form(table, self.id))
        told = [known.label, known.group, known.split_column] if labelled else []
        table.require([known.id, known.time, *told])
        labels = table.text(known.label) if labelled and known.label else None
        ids = table.text(known.id) if known.id else None
        groups = table.text(known.group) if known.group and labelled else None
        parts = parts_of(table, known.split_column) if known.split_column and labelled else None
        special = {known.id, known.time, known.label, known.group, known.split_column}
        others = [name for name in table.columns if name not in special]
        features = others if known.features is None else list(known.features)
        table.require(features)
        if known.form == "wide":
            if known.resample is not None:
                raise DataError(f"{table.path}: data.resample needs data.form=long, a row per step")
            if not known.is_learnt:
                known = replace(known, features=tuple(features))
            return known, from_wide_rows(
                table,
                columns=features,
                ids=ids,
                labels=labels,
                groups=groups,
                parts=parts,
                missing=known.missing,
            )
        if ids is None:
            raise DataError(
                f"{table.path}: long form needs the column that names the sequence: "
                f"data.id=COLUMN, of {shown(table.columns)}; data.form=wide reads a row "
                f"per sequence"
            )
        if not features:
            raise DataError(f"{table.path} has no column of features")
        known = known._with_categories(table, features)
        times = None if known.time is None else table.times(known.time)
        interval = interval_in(table, known.time, known.resample)
        values, names = known.features_of(table)
        words = {f"{name}={word}" for name, some in known.categories.items() for word in some}
        return known, from_rows(
            table,
            values=values,
            feature_names=names,
            ids=ids,
            times=times,
            time_feature=bool(known.time_feature),
            interval=interval,
            held=np.isin(names, list(words)),
            labels=labels,
            labels_may_change=labels_may_change,
            groups=groups,
            parts=parts,
        )

    def _with_categories(self, table: Table, features: Sequence[str]) -> "Reading":
        if self.is_learnt:
            return self
        for name in self.categorical:
            if name not in features:
                raise DataError(
                    f"{table.path}: data.categorical names {name!r}, which is no feature"
                    f"{did_you_mean(name, features)}"
                )
        words = {name: sorted(set(table.text(name))) for name in self.categorical}
        return replace(self, features=tuple(features), categories=words)

    def features_of(self, table: Table) -> tuple[npt.NDArray[np.float32], list[str]]:
        """Return the features of every row, (rows, d), and their names.

        Raises:
            DataError: a cell is no number, is missing, or holds a word that is not known.
        """
        assert self.features is not None
        columns: list[npt.NDArray[np.float32]] = []
        names: list[str] = []
        for name in self.features:
            if name not in self.categories:
                numbers = table.numbers(name)
                missing = np.isnan(numbers)
                if missing.any() and self.missing == "refuse":
                    raise DataError(
                        f"{table.place(int(missing.argmax()), name)}: a value is missing "
                        f"({table.such(missing)}); data.missing=forward, mean or "
                        f"mask fills them"
                    )
                columns.append(numbers.astype(np.float32))
                names.append(name)
                continue
            known = self.categories[name]
            cells = np.asarray(table.text(name), dtype=object)
            unknown = ~np.isin(cells, np.asarray(known, dtype=object))
            if unknown.any():
                row = int(unknown.argmax())
                raise DataError(
                    f"{table.place(row, name)}: {cells[row]!r} is no category of the training "
                    f"file, which has {shown(known)}"
                )
            columns += [(cells == word).astype(np.float32) for word in known]
            names += [f"{name}={word}" for word in known]
        return np.stack(columns, axis=1), names


def _form(table: Table, column: str | None) -> str:
    """Return long where an id occurs twice: a sequence is then more than a row."""
    if column is None:
        return "wide"
    cells = table.text(column)
    return "long" if len(set(cells)) < len(cells) else "wide"

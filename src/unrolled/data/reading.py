"""How files are read: what a user says of their columns, and what the first file taught.

A run keeps it in preprocessing.json, so that a new file is read as the training file was.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unrolled.data.arrays import read_npz
from unrolled.data.folders import FILE, read_folder
from unrolled.data.recordings import Recordings, class_names_of, from_rows
from unrolled.data.tabular import Table, read_table, shown
from unrolled.data.ts_format import read_ts
from unrolled.data.wide_form import from_wide_rows
from unrolled.errors import DataError, did_you_mean

FORMS = ("long", "wide")


@dataclass(frozen=True)
class Reading:
    """The settings of a reader.

    form: long (a row per step), wide (a row per sequence) or None: long where an id occurs twice.
    id, time, label, group: names of columns, or None where there are none.
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
        """Return what `as_plain` wrote."""
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

    def learn(self, path: Path) -> tuple["Reading", Recordings]:
        """Return what the training file teaches, and its recordings.

        Raises:
            DataError: it cannot be read so; names file, line and column.
        """
        taught, recordings = self._read(path, labelled=True)
        assert recordings.labels is not None
        names = class_names_of(recordings.labels, path=str(path))
        taught = replace(
            taught, class_names=tuple(names), feature_names=tuple(recordings.feature_names)
        )
        return taught, recordings

    def read(self, path: Path, *, labelled: bool) -> Recordings:
        """Return the recordings of another file, with the features and in the order learnt.

        labelled: whether labels are needed.

        Raises:
            DataError: it cannot be read so, or has a class or category that is not known.
        """
        assert self.is_learnt
        recordings = self._read(path, labelled=labelled)[1]
        self.require_features(recordings.feature_names, path)
        unknown = sorted(set(recordings.labels or []) - set(self.class_names))
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

    def _read(self, path: Path, *, labelled: bool) -> tuple["Reading", Recordings]:
        if path.is_dir():
            known = replace(self, form="long", id=FILE, label=self.label or "label")
            table = read_folder(
                path, separator=self.separator, label=known.label or "", labelled=labelled
            )
            return known._read_table(table, labelled=labelled)
        read = {".npz": read_npz, ".ts": read_ts}.get(path.suffix.lower())
        if read is None:
            table = read_table(path, separator=self.separator)
            return self._read_table(table, labelled=labelled)
        recordings = read(path, labelled=labelled)
        refuse_missing(recordings, path, allowed=self.missing != "refuse", first_step=0)
        return self, recordings

    def _read_table(self, table: Table, *, labelled: bool) -> tuple["Reading", Recordings]:
        if labelled and self.label is None:
            raise DataError(
                f"{table.path}: which column is the label? data.label=COLUMN, of "
                f"{shown(table.columns)}; `unrolled inspect path=FILE` guesses"
            )
        known = self if self.is_learnt else replace(self, form=self.form or _form(table, self.id))
        named = [known.id, known.time, known.group, known.label if labelled else None]
        table.require(named)
        labels = table.text(known.label) if labelled and known.label else None
        ids = table.text(known.id) if known.id else None
        groups = table.text(known.group) if known.group and labelled else None
        special = {known.id, known.time, known.label, known.group}
        others = [name for name in table.columns if name not in special]
        features = others if known.features is None else list(known.features)
        table.require(features)
        if known.form == "wide":
            if not known.is_learnt:
                known = replace(known, features=tuple(features))
            recordings = from_wide_rows(
                table, columns=features, ids=ids, labels=labels, groups=groups
            )
            refuse_missing(recordings, table.path, allowed=known.missing != "refuse", first_step=0)
            return known, recordings
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
        values, names = known.features_of(table)
        return known, from_rows(
            table,
            values=values,
            feature_names=names,
            ids=ids,
            times=times,
            time_feature=bool(known.time_feature),
            labels=labels,
            groups=groups,
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


def refuse_missing(recordings: Recordings, path: Path, *, allowed: bool, first_step: int) -> None:
    """Refuse recordings in which a value is missing, unless that is allowed.

    first_step: which step of its sequence the first step here is.

    Raises:
        DataError: names sequence, step and feature.
    """
    if allowed:
        return
    for name, value in zip(recordings.ids, recordings.values, strict=True):
        missing = np.isnan(value)
        if missing.any():
            step, feature = np.argwhere(missing)[0]
            raise DataError(
                f"{path}, sequence {name!r}, step {first_step + step}, feature "
                f"{recordings.feature_names[feature]!r}: a value is missing; "
                f"data.missing=forward, mean or mask fills them"
            )

"""The data source for your own files; see docs/own-data.md."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from unrolled.config.choices import FORMS, MISSING_MODES
from unrolled.contracts import Source, SourceData
from unrolled.data.files.archive_folder import training_and_test_file
from unrolled.data.files.features import features_of, without_unseen_words
from unrolled.data.files.given_splits import (
    divide,
    refuse_shared_groups,
    refuse_shared_sequences,
)
from unrolled.data.files.paths import require_data_paths, spelled
from unrolled.data.files.reader import fit_schema, read_recordings
from unrolled.data.files.recordings import Recordings
from unrolled.data.files.resampling import parse_interval
from unrolled.data.files.schema import Schema
from unrolled.data.files.tabular import plain
from unrolled.errors import ConfigError

KEYS = {"train": "path", "val": "val_path", "test": "test_path"}  # in conf/data, by split


class Files(Source):
    """The sequences of one file, or of a file for each split.

    path: the training file, a folder of CSV files, or a folder with NAME_TRAIN and NAME_TEST, the
        training and the test set. The data module splits other sets off the training file.
    val_path, test_path: files, or None.
    form, id, time, time_feature, resample, label, group, split_column, features, categorical,
        embedding, separator, header, decimal: see Schema.
    missing: `refuse`, `forward`, `mean` or `mask` (see Filling).
    """

    def __init__(
        self,
        *,
        path: str | None,
        val_path: str | None,
        test_path: str | None,
        form: str | None,
        id: str | None,  # noqa: A002 - data.id is what users type
        time: str | None,
        time_feature: bool,
        resample: float | str | None,
        label: str | None,
        group: str | None,
        split_column: str | None,
        features: Sequence[str] | None,
        categorical: Sequence[str],
        embedding: int | None,
        separator: str | None,
        header: bool | None,
        decimal: str | None,
        missing: str,
    ) -> None:
        if path is None:
            raise ConfigError("data=files needs data.path=FILE, for example data.path=my_data.csv")
        if form not in (None, *FORMS):
            raise ConfigError(f"data.form={form}: need one of {', '.join(FORMS)}, or null")
        for key, wanted in (
            ("time_feature=true", time_feature),
            (f"resample={resample}", resample),
        ):
            if wanted and time is None:
                raise ConfigError(f"data.{key} needs a time column; type data.time=COLUMN")
        if resample is not None:
            parse_interval(resample)
        if missing not in MISSING_MODES:
            raise ConfigError(f"data.missing={missing}: need one of {', '.join(MISSING_MODES)}")
        if separator is not None and len(separator) != 1:
            raise ConfigError(f"data.separator={separator!r}: need one character or null")
        self.paths = {
            name: Path(file).expanduser()
            for name, file in zip(KEYS, (path, val_path, test_path), strict=True)
            if file is not None
        }
        self.labels_may_change = False
        self.schema = Schema(
            form=form,
            id=_name(id),
            time=_name(time),
            time_feature=time_feature,
            resample=resample,
            label=_name(label),
            group=_name(group),
            split_column=_name(split_column),
            features=None if features is None else tuple(map(plain, features)),
            categorical=tuple(map(plain, categorical)),
            embedding=embedding,
            separator=separator,
            header=header,
            decimal=decimal,
            missing=missing,
        )

    def prepare(self) -> None:
        """Check that the files exist.

        Raises:
            DataError: one of them does not.
        """
        require_data_paths({KEYS[name]: path for name, path in self.paths.items()})

    def use_schema(self, schema: dict[str, Any]) -> None:
        """Read with the fitted schema of a run instead of fitting a new one."""
        self.schema = Schema.from_plain(schema)

    def allow_label_changes(self) -> None:
        """Accept sequences whose label changes, and return a class per step for them."""
        self.labels_may_change = True

    def load(self) -> SourceData:
        """Return the splits that the files contain; NaN marks a missing value.

        Raises:
            DataError: a file cannot be read. The message names file, line and column.
        """
        is_fitted = self.schema.is_fitted
        recordings = self._read()
        refuse_shared_groups(recordings)
        if self.schema.id is not None:
            refuse_shared_sequences(recordings, settings=self._settings(recordings))
        recordings = {name: split.sorted() for name, split in recordings.items()}
        splits = {}
        first_id = 0
        for name, split in recordings.items():
            splits[name] = split.as_sequences(self.schema.class_names, first_id=first_id)
            first_id += len(split)
        train = recordings["train"]
        data = SourceData(
            train=splits["train"],
            val=splits.get("val"),
            test=splits.get("test"),
            class_names=self.schema.class_names,
            missing=self.schema.missing,
            schema=self.schema.as_plain(),
            groups=None if train.groups is None else _numbered(train.groups),
            group_names=None if train.groups is None else _groups_by_id(recordings.values()),
            spans=None if train.spans is None else torch.tensor(train.spans, dtype=torch.float64),
            names=train.ids,
            features=features_of(self.schema),
            num_words=self.schema.num_words,
        )
        if is_fitted or not self.schema.categories:
            return data
        return replace(data, fit_features=partial(without_unseen_words, data, self.schema))

    def _settings(self, splits: Iterable[str]) -> dict[str, str]:
        """Return the setting that names the file of each split, for messages."""
        keys = {name: name if name in self.paths else "train" for name in splits}
        return {name: f"data.{KEYS[key]}={self.paths[key]}" for name, key in keys.items()}

    def _files(self) -> dict[str, Path]:
        """Return the file of each split; a folder of the UCR/UEA archive has a test file too."""
        paths = {name: spelled(path) for name, path in self.paths.items()}
        paths["train"], test = training_and_test_file(paths["train"])
        if test is not None:
            paths.setdefault("test", test)
        return paths

    def _read(self) -> dict[str, Recordings]:
        """Return the recordings of each split that a file or the split column provides."""
        paths, may_change = self._files(), self.labels_may_change
        path = paths.pop("train")
        options = {"labelled": True, "labels_may_change": may_change}
        if self.schema.is_fitted:
            train = read_recordings(path, schema=self.schema, **options)
        else:
            self.schema, train = fit_schema(self.schema, path, labels_may_change=may_change)
        splits = {"train": train} if train.splits is None else divide(train, path=str(path))
        others = replace(self.schema, split_column=None)
        for name, path in paths.items():
            if name in splits:
                raise ConfigError(
                    f"data.{name}_path={path}: the column data.split_column already assigns "
                    f"sequences to {name}; remove one of the two settings"
                )
            splits[name] = read_recordings(path, schema=others, **options)
        return splits


def _name(column: object) -> str | None:
    """Return a column name as text; a config may hold a number."""
    return None if column is None else plain(column)


def _groups_by_id(splits: Iterable[Recordings]) -> dict[int, str]:
    """Return the group of each sequence; the ids count through the splits."""
    return dict(enumerate(chain.from_iterable(split.groups or () for split in splits)))


def _numbered(names: Sequence[str]) -> torch.Tensor:
    number_of = {name: number for number, name in enumerate(sorted(set(names)))}
    return torch.tensor([number_of[name] for name in names])

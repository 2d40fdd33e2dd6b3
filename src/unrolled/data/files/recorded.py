"""Sources of labelled recordings: what files and arrays in memory have in common."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

import torch

from unrolled.config.choices import FORMS, MISSING_MODES
from unrolled.contracts import Source, SourceData
from unrolled.data.files.features import features_of, without_unseen_words
from unrolled.data.files.given_splits import refuse_shared_groups, refuse_shared_sequences
from unrolled.data.files.recordings import Recordings
from unrolled.data.files.resampling import parse_interval
from unrolled.data.files.schema import Schema
from unrolled.data.files.tabular import plain
from unrolled.errors import ConfigError

Name = str | float | bool  # of a column; YAML reads 3 and yes as other types


class RecordedSource(Source):
    """Turns the recordings of each split into sequences.

    schema: as `checked_schema` returns it.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.labels_may_change = False

    @abstractmethod
    def read(self) -> dict[str, Recordings]:
        """Return the recordings of each split, and fit `schema` if it is not fitted."""

    @abstractmethod
    def origins(self, splits: Iterable[str]) -> Mapping[str, str]:
        """Return the setting that each split comes from, for messages."""

    def use_schema(self, schema: dict[str, Any]) -> None:
        """Read with the fitted schema of a run instead of fitting a new one."""
        self.schema = Schema.from_plain(schema)

    def allow_label_changes(self) -> None:
        """Accept sequences whose label changes, and return a class per step for them."""
        self.labels_may_change = True

    def load(self) -> SourceData:
        """Return the splits; NaN marks a missing value.

        Raises:
            DataError: a split cannot be read. The message names the place.
        """
        is_fitted = self.schema.is_fitted
        recordings = self.read()
        refuse_shared_groups(recordings)
        if self.schema.id is not None:
            refuse_shared_sequences(recordings, settings=self.origins(recordings))
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
            spans=None if train.spans is None else torch.from_numpy(train.spans),
            names=train.ids,
            features=features_of(self.schema),
            num_words=self.schema.num_words,
        )
        if is_fitted or not self.schema.categories:
            return data
        return replace(data, fit_features=partial(without_unseen_words, data, self.schema))


def checked_schema(
    *,
    form: str | None,
    id: Name | None,  # noqa: A002 - data.id is what users type
    time: Name | None,
    time_feature: bool,
    resample: float | str | None,
    label: Name | None,
    group: Name | None,
    split_column: Name | None,
    features: Sequence[Name] | None,
    categorical: Sequence[Name],
    missing: str,
) -> Schema:
    """Return the schema of the settings that files and DataFrames share; see Schema.

    Raises:
        ConfigError: a setting has no such value, or needs another one.
    """
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
    return Schema(
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
        missing=missing,
    )


def _name(column: object) -> str | None:
    """Return a column name as text; a config may hold a number."""
    return None if column is None else plain(column)


def _groups_by_id(splits: Iterable[Recordings]) -> dict[int, str]:
    """Return the group of each sequence; the ids count through the splits."""
    return dict(enumerate(chain.from_iterable(split.groups or () for split in splits)))


def _numbered(names: Sequence[str]) -> torch.Tensor:
    number_of = {name: number for number, name in enumerate(sorted(set(names)))}
    return torch.tensor([number_of[name] for name in names])

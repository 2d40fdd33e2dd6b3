"""Reads a file of any format into recordings, with the help of a schema."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from unrolled.data.files.arrays import read_npz
from unrolled.data.files.folders import FILE, read_folder
from unrolled.data.files.given_splits import parts_of
from unrolled.data.files.recordings import Recordings, class_names_of, from_rows
from unrolled.data.files.resampling import interval_in
from unrolled.data.files.schema import Schema
from unrolled.data.files.tabular import Table, read_table, shown
from unrolled.data.files.ts_format import read_ts
from unrolled.data.files.wide_form import from_wide_rows
from unrolled.errors import DataError, did_you_mean


def fit_schema(
    schema: Schema, path: Path, *, labels_may_change: bool = False
) -> tuple[Schema, Recordings]:
    """Return the schema fitted on the training file, and the recordings of that file.

    labels_may_change: whether a sequence in long form may have several labels.

    Raises:
        DataError: the file cannot be read with this schema; names file, line and column.
    """
    schema, recordings = _read(path, schema, labelled=True, labels_may_change=labels_may_change)
    names = class_names_of(recordings.every_label(), path=str(path))
    schema = replace(
        schema, class_names=tuple(names), feature_names=tuple(recordings.feature_names)
    )
    return schema, recordings


def read_recordings(
    path: Path, *, schema: Schema, labelled: bool, labels_may_change: bool = False
) -> Recordings:
    """Return the recordings of another file, with the features and their order in the schema.

    schema: fitted.
    labelled: whether labels are needed.
    labels_may_change: whether a sequence in long form may have several labels.

    Raises:
        DataError: the file cannot be read with this schema, or has an unknown class or category.
    """
    assert schema.is_fitted
    recordings = _read(path, schema, labelled=labelled, labels_may_change=labels_may_change)[1]
    schema.require_features(recordings.feature_names, path)
    if labelled:
        schema.require_classes(recordings.every_label(), path)
    return recordings


def _read(
    path: Path, schema: Schema, *, labelled: bool, labels_may_change: bool
) -> tuple[Schema, Recordings]:
    if path.is_dir():
        schema = replace(schema, form="long", id=FILE, label=schema.label or "label")
        table = read_folder(
            path, separator=schema.separator, label=schema.label or "", labelled=labelled
        )
        return _read_table(table, schema, labelled, labels_may_change)
    read = {".npz": read_npz, ".ts": read_ts}.get(path.suffix.lower())
    if read is None:
        table = read_table(path, separator=schema.separator)
        return _read_table(table, schema, labelled, labels_may_change)
    if schema.resample is not None or schema.split_column is not None:
        raise DataError(f"{path} has no columns for data.resample or data.split_column")
    recordings = read(path, labelled=labelled)
    if schema.missing == "refuse":
        recordings.refuse_missing(path, first_step=0)
    return schema, recordings


def _read_table(
    table: Table, schema: Schema, labelled: bool, labels_may_change: bool
) -> tuple[Schema, Recordings]:
    if labelled and schema.label is None:
        raise DataError(
            f"{table.path}: which column is the label? data.label=COLUMN, of "
            f"{shown(table.columns)}; `unrolled inspect path=FILE` guesses"
        )
    known = (
        schema if schema.is_fitted else replace(schema, form=schema.form or _form(table, schema.id))
    )
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
        if not known.is_fitted:
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
    known = _with_categories(known, table, features)
    times = None if known.time is None else table.times(known.time)
    interval = interval_in(table, known.time, known.resample)
    values, names = known.encode(table)
    return known, from_rows(
        table,
        values=values,
        feature_names=names,
        ids=ids,
        times=times,
        time_feature=known.time_feature,
        interval=interval,
        held=np.isin(names, known.category_features),
        labels=labels,
        labels_may_change=labels_may_change,
        groups=groups,
        parts=parts,
    )


def _with_categories(schema: Schema, table: Table, features: Sequence[str]) -> Schema:
    if schema.is_fitted:
        return schema
    for name in schema.categorical:
        if name not in features:
            raise DataError(
                f"{table.path}: data.categorical names {name!r}, which is no feature"
                f"{did_you_mean(name, features)}"
            )
    words = {name: sorted(set(table.text(name))) for name in schema.categorical}
    return replace(schema, features=tuple(features), categories=words)


def _form(table: Table, column: str | None) -> str:
    """Return long where an id occurs twice: a sequence is then more than a row."""
    if column is None:
        return "wide"
    cells = table.text(column)
    return "long" if len(set(cells)) < len(cells) else "wide"

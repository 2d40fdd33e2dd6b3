"""Reads a file of any format into recordings, with the help of a schema."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from unrolled.data.files.archive import read_archive
from unrolled.data.files.archive_folder import training_and_test_file
from unrolled.data.files.archive_tables import archive_label
from unrolled.data.files.collecting import recordings_of
from unrolled.data.files.columns import with_columns
from unrolled.data.files.folders import FILE
from unrolled.data.files.growing import GrowingSteps
from unrolled.data.files.labels import refuse_other_tasks
from unrolled.data.files.notices import detected
from unrolled.data.files.npz_format import array_parts
from unrolled.data.files.opening import format_of
from unrolled.data.files.paths import require_file
from unrolled.data.files.recordings import Recordings, class_names_of
from unrolled.data.files.schema import Schema
from unrolled.data.files.tables import whole_table
from unrolled.data.files.tabular import Table, shown
from unrolled.errors import DataError

log = logging.getLogger(__name__)

COLUMN_SETTINGS = (  # of tables
    *("form", "id", "time", "time_feature", "resample", "label", "group", "split_column"),
    *("features", "categorical", "separator", "header", "decimal"),
)


def fit_schema(
    schema: Schema, path: Path, *, labels_may_change: bool = False
) -> tuple[Schema, Recordings]:
    """Return the schema fitted on the training file, and the recordings of that file.

    labels_may_change: whether a sequence in long form may have several labels.

    Raises:
        DataError: the file cannot be read. The message names file, line and column.
    """
    schema, recordings = _read(path, schema, labelled=True, labels_may_change=labels_may_change)
    return fitted(schema, recordings, path=path), recordings


def fitted(schema: Schema, recordings: Recordings, *, path: Path) -> Schema:
    """Return the schema with the classes and features of the training recordings.

    path: of their file, for messages.

    Raises:
        DataError: the labels are no classes, or there are fewer than two classes.
    """
    labels = recordings.labels or ()
    refuse_other_tasks(labels, path, num_labels=len(labels))
    names = class_names_of(recordings.every_label(), path=str(path))
    return replace(schema, class_names=tuple(names), feature_names=tuple(recordings.feature_names))


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
    kind = format_of(path)
    if kind in ("csv", "parquet", "folder"):
        schema = prepared(schema, path, kind)
        table = whole_table(path, schema, labelled=labelled)
        if not schema.is_fitted and (notice := detected(table, schema)):
            log.info("%s: detected %s", path.name, notice)
        return read_table(table, schema, labelled=labelled, labels_may_change=labels_may_change)
    schema.require_words(path, kind)
    if not schema.is_fitted:
        _refuse_columns(schema, path)
    if schema.resample is not None or schema.split_column is not None:
        raise DataError(f"{path} has no columns for data.resample or data.split_column")
    if kind in ("ts", "arff"):
        recordings = read_archive(path, kind, labelled=labelled)
    else:
        recordings = read_arrays(path, labelled=labelled)
    if schema.missing == "refuse":
        recordings.refuse_missing(path, first_step=0)
    return schema, recordings


def _refuse_columns(schema: Schema, path: Path) -> None:
    """Refuse settings that have no effect on a training file without named columns.

    Raises:
        DataError: names the keys.
    """
    values = {key: getattr(schema, key) for key in COLUMN_SETTINGS}
    typed = [
        f"data.{key}={value}"
        for key, value in values.items()
        if value or (key == "header" and value is False)
    ]
    if typed:
        raise DataError(
            f"{' '.join(typed)}: {path} has no named columns, so this has no effect; leave it out"
        )


def read_arrays(path: Path, *, labelled: bool) -> Recordings:
    """Return all recordings of an NPZ or NPY file.

    Raises:
        DataError: as `array_parts`.
    """
    require_file(path)
    steps = GrowingSteps(num_values=path.stat().st_size // 8)  # of 8 bytes, if not compressed
    lengths: list[npt.NDArray[np.int64]] = []
    for part in array_parts(path, labelled=labelled):
        steps.add(part.steps)
        if part.first_step:
            lengths[-1] = lengths[-1] + part.lengths
        else:
            lengths.append(part.lengths)
    return Recordings(
        ids=part.names.ids,
        steps=steps.take(),
        lengths=np.concatenate(lengths),
        labels=part.names.labels,
        feature_names=part.names.features,
        groups=None,
        spans=None,
    )


def prepared(schema: Schema, path: Path, kind: str) -> Schema:
    """Return the schema with what the kind of file determines.

    kind: csv, parquet or folder.

    Raises:
        DataError: the folder holds a training and a test file of the archive.
    """
    if kind == "folder":
        train, test = training_and_test_file(path)
        if train != path:
            raise DataError(
                f"{path} holds a training and a test set; name one file, such as {test or train}"
            )
        return replace(schema, form="long", id=FILE, label=schema.label or "label")
    return schema


def read_table(
    table: Table, schema: Schema, *, labelled: bool, labels_may_change: bool
) -> tuple[Schema, Recordings]:
    """Return the recordings of a table, and the schema with what the table determines.

    Raises:
        DataError: the table cannot be read with this schema.
    """
    if labelled and schema.label is None:
        label = "label" if "label" in table.columns else archive_label(table)
        schema = replace(schema, label=label)
    if labelled and schema.label is None:
        raise DataError(
            f"{table.path}: which column is the label? Type data.label=COLUMN, one of "
            f"{shown(table.columns)}; `unrolled inspect path={table.path}` guesses"
        )
    was_fitted = schema.is_fitted
    if was_fitted and labelled and schema.features is None:  # fitted on arrays
        schema = with_columns(schema, table)
    elif was_fitted:
        schema.require_named_columns(table.path)
    else:
        schema = with_columns(schema, table)
    if labelled and schema.label is not None and not was_fitted:
        parts = [table.labels(schema.label).names for table in table.parts()]
        refuse_other_tasks(set().union(*parts), table.path, num_labels=len(table))
    recordings = recordings_of(
        table, schema, labelled=labelled, labels_may_change=labels_may_change
    )
    return schema, recordings

"""Reads files in pieces, so that neither a long file nor a long sequence must fit in memory.

The checks are the same as for whole files. A file whose rows are out of order raises
OutOfOrderError and must be read whole. An id that occurs again after other ids is found only at
the end of the file. This takes 8 bytes of memory per sequence.
"""

from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from unrolled.data.files.annotations import Annotations
from unrolled.data.files.archive import archive_sequences, dimension_names
from unrolled.data.files.clock import Clock
from unrolled.data.files.long_form import TIME_FEATURE, WINDOW_REMEDY
from unrolled.data.files.npz_format import array_parts
from unrolled.data.files.opening import format_of
from unrolled.data.files.piece import PIECES_AT_ONCE, OutOfOrderError, Pieces
from unrolled.data.files.reader import prepared
from unrolled.data.files.recordings import Recordings
from unrolled.data.files.schema import Schema
from unrolled.data.files.tables import count_rows, tables_of
from unrolled.data.files.tabular import Table
from unrolled.data.files.wide_form import from_wide_rows, step_columns
from unrolled.data.files.words import Words
from unrolled.errors import DataError


def pieces_of(
    schema: Schema, path: Path, *, labelled: bool, labels_may_change: bool = False
) -> Iterator[Pieces]:
    """Yield the sequences of a file as `read_recordings` reads them.

    schema: fitted.
    labelled: whether the pieces have classes.
    labels_may_change: whether a sequence in long form may have several labels.

    Raises:
        DataError: the file cannot be read. The message names file, line and column.
        OutOfOrderError: the file must be read whole. Discard the pieces yielded so far.
    """
    assert schema.is_fitted
    kind = format_of(path)
    schema.require_words(path, kind)
    if kind in ("npz", "npy"):
        return _arrays(schema, path, labelled=labelled)
    if kind in ("ts", "arff"):
        return _archive(schema, path, kind, labelled=labelled)
    if labelled and schema.features is None:
        raise OutOfOrderError(f"{path}: the run was trained on a file without named columns")
    schema = prepared(schema, path, kind)
    tables = tables_of(path, schema, labelled=labelled)
    if schema.form == "wide":
        return _once(_wide(schema, tables, path, labelled=labelled))
    steps = _long(schema, tables, path, labelled=labelled, labels_may_change=labels_may_change)
    return _once(steps)


def whole_pieces(recordings: Recordings, schema: Schema, *, path: Path) -> Iterator[Pieces]:
    """Yield recordings in memory, some whole sequences at a time."""
    lengths = recordings.lengths
    bounds = np.concatenate([[0], lengths.cumsum()])
    for start in range(0, len(recordings), PIECES_AT_ONCE):
        rows = slice(start, start + PIECES_AT_ONCE)
        end = start + len(lengths[rows])
        classes = None
        if recordings.step_labels is not None:
            words = [word for some in recordings.step_labels[rows] for word in some]
            classes = schema.class_numbers(words, path)
        elif recordings.labels is not None:
            classes = schema.class_numbers(recordings.labels[rows], path).repeat(lengths[rows])
        yield Pieces(
            list(recordings.ids[rows]),
            recordings.steps[bounds[start] : bounds[end]],
            lengths[rows],
            classes=classes,
        )


def _long(
    schema: Schema, tables: Iterable[Table], path: Path, *, labelled: bool, labels_may_change: bool
) -> Iterator[Pieces]:
    """Yield the sequences of tables with a row per step."""
    schema.require_named_columns(path)
    assert schema.id is not None
    label = schema.label if labelled else None
    newest: tuple[str, float, str] | None = None  # id, time and label of the last step
    clock = None if schema.time is None else Clock(schema.time)
    for table in tables:
        table.require([schema.id, schema.time, label, *(schema.features or ())])
        ids = np.asarray(table.text(schema.id).tolist(), dtype=object)
        bounds = [0, *(np.flatnonzero(ids[1:] != ids[:-1]) + 1).tolist(), len(ids)]
        if len(set(ids)) < len(bounds) - 1:
            raise OutOfOrderError(f"{path}: the rows of a sequence are not consecutive")
        continues = newest is not None and newest[0] == ids[0]
        begins = np.isin(np.arange(len(ids)), bounds[1:-1] if continues else bounds[:-1])
        values, names = schema.encode(table)
        time, word, classes = 0.0, "", None
        if clock is not None:
            times = clock.read(table)
            since = np.diff(times, prepend=newest[1] if newest is not None else 0.0)
            if (since[~begins] <= 0).any():
                raise OutOfOrderError(f"{path}: rows are not in the order of {schema.time!r}")
            if schema.time_feature:
                values, names = schema.with_feature(
                    values, names, name=TIME_FEATURE, column=np.where(begins, 0.0, since)
                )
            time = float(times[-1])
        if label is not None:
            labels = table.labels(label)
            classes = schema.class_numbers(labels, path)
            if not labels_may_change:
                _refuse_changes(table, ids, [newest[2] if newest else "", *labels], begins)
            word = labels[-1]
        newest = (ids[-1], time, word)
        schema.require_features(names, path)
        yield Pieces(
            [str(ids[start]) for start in bounds[:-1]],
            values,
            np.diff(bounds),
            begins=not continues,
            classes=classes,
        )


def _refuse_changes(
    table: Table, ids: npt.NDArray[np.object_], labels: list[str], begins: npt.NDArray[np.bool_]
) -> None:
    """Refuse a sequence that has several labels.

    labels: of the row before the table, and of its rows.
    """
    words = np.asarray(labels, dtype=object)
    wrong = (words[1:] != words[:-1]) & ~begins
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{table.place(row)}: sequence {ids[row]!r} has the label {labels[row + 1]!r} here and "
            f"{labels[row]!r} in the row before; a sequence needs one label{WINDOW_REMEDY}"
        )


def _wide(
    schema: Schema, tables: Iterable[Table], path: Path, *, labelled: bool
) -> Iterator[Pieces]:
    """Yield the sequences of tables with a row per sequence."""
    assert schema.features is not None
    label = schema.label if labelled else None
    num_rows = 0
    width = 0 if schema.id else len(str(count_rows(path, schema) - 1))
    for table in tables:
        table.require([schema.id, label, *schema.features])
        numbers = range(num_rows, num_rows + len(table))
        num_rows += len(table)
        numbered = [f"{n:0{width}d}" for n in numbers]
        ids = table.text(schema.id) if schema.id else Words(np.arange(len(table)), numbered)
        recordings = from_wide_rows(
            table,
            columns=step_columns(schema, table),
            annotations=Annotations(ids=ids),
            missing=schema.missing,
        )
        schema.require_features(recordings.feature_names, path)
        classes = None
        if label is not None:
            classes = schema.class_numbers(table.labels(label), path).repeat(recordings.lengths)
        yield Pieces(ids.tolist(), recordings.steps, recordings.lengths, classes=classes)


def _archive(schema: Schema, path: Path, kind: str, *, labelled: bool) -> Iterator[Pieces]:
    num = sum(1 for _ in archive_sequences(path, kind, labelled=labelled))
    width = len(str(num - 1))
    sequences = archive_sequences(path, kind, labelled=labelled)
    for number, (values, label) in enumerate(sequences):
        lengths = np.array([len(values)])
        classes = None
        if labelled and label is not None:
            classes = schema.class_numbers([label], path).repeat(lengths)
        pieces = Pieces([f"{number:0{width}d}"], values, lengths, classes=classes)
        yield from _checked(schema, path, pieces, dimension_names(values), step=0)


def _arrays(schema: Schema, path: Path, *, labelled: bool) -> Iterator[Pieces]:
    classes = None
    for part in array_parts(path, labelled=labelled):
        if labelled and classes is None:
            classes = schema.class_numbers(part.names.labels or (), path)
        rows = slice(part.first_row, part.first_row + len(part.lengths))
        pieces = Pieces(
            list(part.names.ids[rows]),
            part.steps,
            part.lengths,
            begins=part.first_step == 0,
            classes=None if classes is None else classes[rows].repeat(part.lengths),
        )
        yield from _checked(schema, path, pieces, part.names.features, step=part.first_step)


def _checked(
    schema: Schema, path: Path, pieces: Pieces, feature_names: list[str], *, step: int
) -> Iterator[Pieces]:
    """Yield the pieces after checking features and, if the schema asks for it, values.

    step: position of the first step of the pieces in their sequence.
    """
    schema.require_features(feature_names, path)
    recordings = Recordings(
        ids=pieces.ids,
        steps=pieces.values,
        lengths=pieces.lengths,
        labels=None,
        feature_names=feature_names,
        groups=None,
        spans=None,
    )
    if schema.missing == "refuse":
        recordings.refuse_missing(path, first_step=step)
    yield pieces


def _once(parts: Iterator[Pieces]) -> Iterator[Pieces]:
    """Yield the pieces; raise OutOfOrderError at the end if an id occurs in two places."""
    seen = array("q")
    for part in parts:
        seen.extend(map(hash, part.ids if part.begins else part.ids[1:]))
        yield part
    hashes = np.sort(np.frombuffer(seen, dtype=np.int64))
    if (hashes[1:] == hashes[:-1]).any():
        raise OutOfOrderError("the rows of a sequence are not consecutive")

"""Reads files in pieces, so that neither a long file nor a long sequence must fit in memory.

The checks are the same as for whole files. A file whose rows are out of order raises
OutOfOrderError and must be read whole. An id that occurs again after other ids is found only at
the end of the file. This takes 8 bytes of memory per sequence.
"""

from array import array
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from unrolled.data.files.annotations import Annotations
from unrolled.data.files.clock import Clock
from unrolled.data.files.long_form import TIME_FEATURE
from unrolled.data.files.npz_format import array_parts
from unrolled.data.files.opening import format_of
from unrolled.data.files.piece import OutOfOrderError, Piece
from unrolled.data.files.reader import prepared
from unrolled.data.files.recordings import Recordings
from unrolled.data.files.schema import Schema
from unrolled.data.files.tables import count_rows, tables_of
from unrolled.data.files.tabular import Table
from unrolled.data.files.ts_format import dimension_names, ts_sequences
from unrolled.data.files.wide_form import from_wide_rows
from unrolled.data.files.wide_names import further_steps
from unrolled.data.files.words import Words


def pieces_of(schema: Schema, path: Path) -> Iterator[Piece]:
    """Yield the sequences of a file without their labels, as `read_recordings` reads them.

    schema: fitted.

    Raises:
        DataError: the file cannot be read. The message names file, line and column.
        OutOfOrderError: the file must be read whole. Discard the pieces yielded so far.
    """
    assert schema.is_fitted
    kind = format_of(path)
    if kind in ("npz", "npy"):
        return _arrays(schema, path)
    if kind == "ts":
        return _ts(schema, path)
    schema = prepared(schema, path, kind)
    tables = tables_of(path, schema, labelled=False)
    return _once((_wide if schema.form == "wide" else _long)(schema, tables, path))


def whole_pieces(recordings: Recordings) -> Iterator[Piece]:
    """Yield recordings in memory, one piece per sequence."""
    for name, values in zip(recordings.ids, recordings.values, strict=True):
        yield Piece(name, values, begins=True)


def _long(schema: Schema, tables: Iterable[Table], path: Path) -> Iterator[Piece]:
    """Yield the sequences of tables with a row per step."""
    schema.require_named_columns(path)
    assert schema.id is not None
    newest: tuple[str, float] | None = None  # id and time of the last step
    clock = None if schema.time is None else Clock(schema.time)
    for table in tables:
        table.require([schema.id, schema.time, *(schema.features or ())])
        ids = np.asarray(table.text(schema.id).tolist(), dtype=object)
        bounds = [0, *(np.flatnonzero(ids[1:] != ids[:-1]) + 1).tolist(), len(ids)]
        if len(set(ids)) < len(bounds) - 1:
            raise OutOfOrderError(f"{path}: the rows of a sequence are not consecutive")
        continues = newest is not None and newest[0] == ids[0]
        values, names = schema.encode(table)
        if clock is not None:
            times = clock.read(table)
            since = np.diff(times, prepend=newest[1] if newest is not None else 0.0)
            begins = np.isin(np.arange(len(ids)), bounds[1:-1] if continues else bounds[:-1])
            if (since[~begins] <= 0).any():
                raise OutOfOrderError(f"{path}: rows are not in the order of {schema.time!r}")
            if schema.time_feature:
                column = np.where(begins, 0.0, since)[:, None]
                values, names = np.hstack([values, column]), [*names, TIME_FEATURE]
            newest = (ids[-1], float(times[-1]))
        else:
            newest = (ids[-1], 0.0)
        schema.require_features(names, path)
        for start, end in pairwise(bounds):
            yield Piece(str(ids[start]), values[start:end], begins=start > 0 or not continues)


def _wide(schema: Schema, tables: Iterable[Table], path: Path) -> Iterator[Piece]:
    """Yield the sequences of tables with a row per sequence."""
    assert schema.features is not None
    num_rows = 0
    width = 0 if schema.id else len(str(count_rows(path, schema) - 1))
    for table in tables:
        table.require([schema.id, *schema.features])
        numbers = range(num_rows, num_rows + len(table))
        num_rows += len(table)
        numbered = [f"{n:0{width}d}" for n in numbers]
        ids = table.text(schema.id) if schema.id else Words(np.arange(len(table)), numbered)
        recordings = from_wide_rows(
            table,
            columns=further_steps(schema.features, table.columns),
            annotations=Annotations(ids=ids),
            missing=schema.missing,
        )
        schema.require_features(recordings.feature_names, path)
        for name, values in zip(recordings.ids, recordings.values, strict=True):
            yield Piece(name, values, begins=True)


def _ts(schema: Schema, path: Path) -> Iterator[Piece]:
    width = len(str(sum(1 for _ in ts_sequences(path, labelled=False)) - 1))
    for number, (values, _) in enumerate(ts_sequences(path, labelled=False)):
        name = f"{number:0{width}d}"
        names = dimension_names(values)
        yield from _checked(schema, path, Piece(name, values, begins=True), names, step=0)


def _arrays(schema: Schema, path: Path) -> Iterator[Piece]:
    for part in array_parts(path, labelled=False):
        start = 0
        for row, length in enumerate(part.lengths.tolist(), start=part.first_row):
            steps = part.steps[start : start + length]
            start += length
            piece = Piece(part.names.ids[row], steps, begins=part.first_step == 0)
            yield from _checked(schema, path, piece, part.names.features, step=part.first_step)


def _checked(
    schema: Schema, path: Path, piece: Piece, feature_names: list[str], *, step: int
) -> Iterator[Piece]:
    """Yield the piece after checking its features and, if the schema asks for it, its values."""
    schema.require_features(feature_names, path)
    recordings = Recordings(
        ids=[piece.id],
        steps=piece.values,
        lengths=np.array([len(piece.values)]),
        labels=None,
        feature_names=feature_names,
        groups=None,
        starts=None,
    )
    if schema.missing == "refuse":
        recordings.refuse_missing(path, first_step=step)
    yield piece


def _once(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Yield the pieces; raise OutOfOrderError at the end if an id occurs in two places."""
    seen = array("q")
    for piece in pieces:
        if piece.begins:
            seen.append(hash(piece.id))
        yield piece
    if len(np.unique(np.frombuffer(seen, dtype=np.int64))) < len(seen):
        raise OutOfOrderError("the rows of a sequence are not consecutive")

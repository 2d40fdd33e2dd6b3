"""The meaning of the columns of a training file: the form of the table, features, categories."""

import logging
from dataclasses import replace

import numpy as np
import pandas as pd

from unrolled.data.files.bookkeeping import bookkeeping
from unrolled.data.files.given_splits import splits_of
from unrolled.data.files.keys import find_restart
from unrolled.data.files.schema import MOST_WORDS, Schema, is_missing_word
from unrolled.data.files.tabular import Table, shown
from unrolled.errors import DataError, did_you_mean

log = logging.getLogger(__name__)


def with_columns(schema: Schema, table: Table) -> Schema:
    """Return the schema with its form, features and categories, as a training file has them.

    Raises:
        DataError: a column is missing or named twice, or a setting does not fit the form.
    """
    features = schema.features
    is_chosen = features is not None
    table.require([*schema.special_columns, *(features or ())])
    form = schema.form or _detect_form(table, schema.id)
    if features is None:
        features = _without_bookkeeping(schema, table, form)
    for name in features:
        if features.count(name) > 1:
            raise DataError(f"data.features names {name!r} twice")
        if name in (schema.label, schema.id, schema.split_column):
            raise DataError(
                f"data.features names {name!r}, which is the label, the id or the split column; "
                f"remove it from the list"
            )
    if not features:
        raise DataError(f"{table.path} has no feature columns, only {shown(table.columns)}")
    schema = replace(schema, form=form, features=features)
    if form == "wide":
        _refuse_long_settings(schema, table)
        used = {*schema.special_columns, *features}
        return replace(schema, left_out=tuple(n for n in table.columns if n not in used))
    if schema.id is None:
        raise DataError(
            f"{table.path}: long form (a row per step) needs the column that names the sequence; "
            f"type data.id=COLUMN, one of {shown(table.columns)}, or data.form=wide if each row is "
            f"a sequence"
        )
    if not is_chosen:
        _warn_if_ids_restart(schema, table)
    return replace(schema, categories=_categories(schema, table))


def _warn_if_ids_restart(schema: Schema, table: Table) -> None:
    """Warn if the ids seem to name several sequences each; see `find_restart`."""
    if schema.id is None or schema.label is None or schema.features is None:
        return
    columns = {name: table.column(name) for name in schema.features}
    names = [name for name, column in columns.items() if column.dtype.kind != "f"]
    if not names:
        return
    special = [name for name in (schema.id, schema.label, schema.time) if name is not None]
    frame = pd.DataFrame({name: table.column(name) for name in (*special, *names)})
    restart = find_restart(frame, schema.id, names, label=schema.label, time=schema.time)
    if restart is not None:
        log.warning("%s data.%s", restart.message(schema.id), restart.remedy(schema.id))


def _without_bookkeeping(schema: Schema, table: Table, form: str) -> tuple[str, ...]:
    """Return all columns without another meaning, except columns that only describe rows."""
    names = [name for name in table.columns if name not in schema.special_columns]
    identity = schema.id if form == "long" else None
    out, kept = bookkeeping(table, names, identity=identity, label=schema.label)
    for name, reason in out.items():
        log.warning(
            "column %r is no feature, because it %s; data.features=[...] lists features",
            name,
            reason,
        )
    for name, reason in kept.items():
        log.warning(
            "feature %r %s; leave it out with data.features=[...] if it is no measurement",
            name,
            reason,
        )
    return tuple(name for name in names if name not in out)


def _detect_form(table: Table, column: str | None) -> str:
    """Return `long` if an id occurs more than once, because each row is then a step."""
    if column is None:
        return "wide"
    first = next(table.parts()).text(column)
    if len(first.names) < len(first):
        return "long"
    words = table.text(column)
    return "long" if len(words.names) < len(words) else "wide"


def _refuse_long_settings(schema: Schema, table: Table) -> None:
    """Refuse settings that have no effect on a table in wide form."""
    for key in ("resample", "time_feature", "categorical", "embedding"):
        if getattr(schema, key):
            raise DataError(
                f"{table.path}: data.{key} needs long form (a row per step), but this table is in "
                f"wide form (a row per sequence)"
            )


def _categories(schema: Schema, table: Table) -> dict[str, list[str]]:
    """Return the words of each categorical feature."""
    features = schema.features or ()
    if schema.embedding is not None and not schema.categorical:
        raise DataError(
            f"data.embedding={schema.embedding} needs columns of words; name them with "
            f"data.categorical=[COLUMN], some of {shown(features)}, or type data.embedding=null"
        )
    for name in schema.categorical:
        if name not in features:
            raise DataError(
                f"{table.path}: data.categorical names {name!r}, which is not a feature"
                f"{did_you_mean(name, features)}"
            )
    train = np.ones(len(table), dtype=bool)
    if schema.split_column is not None:  # the other splits must not add features
        train = np.array([split == "train" for split in splits_of(table, schema.split_column)])
    categories = {}
    for name in schema.categorical:
        cells = np.asarray(table.cells(name), dtype=object)[train]
        categories[name] = sorted(word for word in set(cells) if not is_missing_word(word))
        if schema.embedding is None and len(categories[name]) > MOST_WORDS:
            log.warning(
                "column %r has %d words, which become a feature each; data.embedding=16 learns a "
                "vector for each word instead",
                name,
                len(categories[name]),
            )
    return categories

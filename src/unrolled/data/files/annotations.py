"""The columns of a table that are not features: id, label, group and split of each row."""

from dataclasses import dataclass

from unrolled.data.files.given_splits import splits_of
from unrolled.data.files.schema import Schema
from unrolled.data.files.tabular import Table
from unrolled.data.files.words import Words


@dataclass(frozen=True)
class Annotations:
    """One value per row, or None if the table has no such column.

    ids: name of the sequence.
    labels: class name.
    groups: rows of one group stay in the same split.
    splits: train, val or test.
    """

    ids: Words | None = None
    labels: Words | None = None
    groups: Words | None = None
    splits: Words | None = None


def read_annotations(table: Table, schema: Schema, *, labelled: bool) -> Annotations:
    """Return the annotations that the schema names.

    labelled: whether to read labels, groups and splits, which a file to predict does not need.

    Raises:
        DataError: a column is missing, or a cell is empty.
    """
    ids = _text(table, schema.id)
    if not labelled:
        return Annotations(ids=ids)
    split_column = schema.split_column
    return Annotations(
        ids=ids,
        labels=None if schema.label is None else table.labels(schema.label),
        groups=_text(table, schema.group),
        splits=None if split_column is None else splits_of(table, split_column),
    )


def _text(table: Table, column: str | None) -> Words | None:
    return None if column is None else table.text(column)

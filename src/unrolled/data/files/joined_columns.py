"""Two columns that are read as one, in every table of a file: `data.id` and `data.time`."""

import numpy as np

from unrolled.data.files.joined_time import join_time, pair_in, parts_of
from unrolled.data.files.schema import Schema
from unrolled.data.files.tabular import Table
from unrolled.data.files.words import Words


def join_columns(table: Table, schema: Schema) -> None:
    """Add the columns that the schema joins, and remove their parts without another meaning."""
    time = pair_in(schema.time, table.columns) or ()
    kept = {*schema.special_columns, *(schema.features or ()), *schema.categorical, *time}
    join_id(table, schema.id, kept=kept)
    join_time(table, schema.time)


def join_id(table: Table, identity: str | None, *, kept: set[str]) -> None:
    """Replace two columns by the id that joins their names, if the table lacks it.

    For example, `machine run` names the sequences by `machine` and `run`, such as `M3 17`.

    kept: columns that stay in the table.

    Raises:
        DataError: a cell is empty.
    """
    pair = pair_in(identity, table.columns)
    if identity is None or pair is None:
        return
    first, second = map(table.text, pair)
    codes, both = np.unique(
        first.codes.astype(np.int64) * len(second.names) + second.codes, return_inverse=True
    )
    names = [_joined(first, second, code=int(code)) for code in codes]
    table.frame[identity] = np.array(names, dtype=object)[both]
    for name in pair:
        if name not in kept:
            del table.frame[name]


def _joined(first: Words, second: Words, *, code: int) -> str:
    """Return the joined name; blanks in the first part are doubled, so that no two are equal."""
    one, other = divmod(code, len(second.names))
    return f"{first.names[one].replace(' ', '  ')} {second.names[other]}"


def parts_of_all(schema: Schema) -> set[str]:
    """Return every name that may be a part of a joined column."""
    return {part for name in (schema.id, schema.time) for pair in parts_of(name) for part in pair}

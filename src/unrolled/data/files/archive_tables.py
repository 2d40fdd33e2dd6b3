"""Tables as in the UCR archive: no header, the class in the first column, then a number per step.

Source: www.cs.ucr.edu/~eamonn/time_series_data_2018
"""

import re

import numpy as np

from unrolled.data.files.tabular import Table

FEWEST_STEPS = 3
NAME = re.compile(r"(?P<name>.+)_(?P<split>train|test)(\.\w+)*", re.IGNORECASE)


def archive_label(table: Table) -> str | None:
    """Return the first column if the table looks like one of the UCR archive, else None.

    Every cell is a number. The first column holds a few whole numbers, at most one for every two
    rows. The others are steps: the file is called NAME_TRAIN or NAME_TEST, or no other column holds
    whole numbers only, so that none of them can be an id, a time or a label.
    """
    if table.dialect is None or table.dialect.header:
        return None
    names = table.columns
    if len(names) <= FEWEST_STEPS:
        return None
    if any(part.column(name).dtype.kind not in "iuf" for part in table.parts() for name in names):
        return None
    first = table.column(names[0]).to_numpy(dtype=np.float64)
    num_classes = len(np.unique(first))
    if not (first == np.round(first)).all() or not 2 <= num_classes <= len(first) / 2:
        return None
    is_named = NAME.fullmatch(table.path.name) is not None
    if not is_named and any(_is_whole(table, name) for name in names[1:]):
        return None
    return names[0]


def _is_whole(table: Table, name: str) -> bool:
    """Return whether a column holds whole numbers and empty cells only."""
    for part in table.parts():
        cells = part.column(name).to_numpy(dtype=np.float64)
        if not (np.isnan(cells) | (cells == np.round(cells))).all():
            return False
    return True

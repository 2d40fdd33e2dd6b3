"""Columns that describe rows rather than measure something, such as row numbers and splits."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from unrolled.data.files.given_splits import SPLIT_OF_WORD
from unrolled.data.files.joined_time import holds_dates
from unrolled.data.files.tabular import Table

ROW_NAMES = r"column 1|unnamed: ?\d+|index|row(_?(number|names?|id|num|nr))?|no\.?|nr|#|rownames"
CLASS_NAMES = r".*(label|class|target|category|activity|outcome|diagnosis|group).*"
SPLIT_NAMES = r"split|set|subset|partition|part|usage|phase|dataset|is_?(train|test)|(cv_?)?folds?"
OWNER_NAMES = (
    r"(subject|patient|person|participant|user|group|site|machine|operator|session|driver|animal)s?"
    r"([ _.-]?(id|no|nr|name|number))?"
)
TIME_NAMES = r".*(time|date|epoch).*|day|.*_(s|ms|us|ns)|unix.*|ts"

NUM_FIRST = 1000  # rows that show for most columns that they are features


def bookkeeping(
    table: Table, names: Sequence[str], *, identity: str | None, label: str | None
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the columns to leave out, because name and content agree, and the suspicious ones.

    names: columns that would become features.
    identity: column that names the sequence in a table in long form, else None.

    Returns: the reason by column, twice: columns to leave out, and columns whose content alone is
        suspicious, which are kept.
    """
    out: dict[str, str] = {}
    kept: dict[str, str] = {}
    names = _suspicious(table, names, identity=identity, label=label)
    if not names:
        return out, kept
    labels = None if label is None else pd.factorize(table.column(label))[0]
    owners = None if identity is None else pd.factorize(table.column(identity))[0]
    for name in names:
        column = table.column(name)
        reason = ""
        if _counts_rows(column):
            reason, pattern = "numbers the rows", ROW_NAMES
        elif labels is not None and _is_copy(column, labels):
            reason, pattern = f"has one value for each class of {label!r}", CLASS_NAMES
        elif _is_split(column, name):
            reason, pattern = f"assigns splits (to use it, type data.split_column={name})", ".*"
        elif holds_dates(column):
            reason, pattern = "holds dates", TIME_NAMES
        elif owners is not None and _is_constant(column, owners):
            reason, pattern = f"names groups of sequences (to use it, type data.group={name})", ".*"
            if not re.fullmatch(OWNER_NAMES, name, re.IGNORECASE):
                if column.dtype.kind in "iufb":
                    continue  # such as an age, which is a common feature
                reason = (
                    f"is constant in each sequence, so it may name groups, such as machines or "
                    f"persons (then type data.group={name})"
                )
                kept[name] = reason
                continue
        elif owners is not None and _rises(column):
            reason, pattern = "rises through the whole file, as an absolute time does", TIME_NAMES
        if reason:
            agree = re.fullmatch(pattern, name, re.IGNORECASE) is not None
            (out if agree else kept)[name] = reason
    return out, kept


def _suspicious(
    table: Table, names: Sequence[str], *, identity: str | None, label: str | None
) -> list[str]:
    """Return the columns of which the first rows alone do not show that they are features."""
    head = next(table.parts())
    if len(head) < NUM_FIRST:
        return list(names)

    def codes_of(name: str | None) -> np.ndarray | None:
        return None if name is None else pd.factorize(head.column(name)[:NUM_FIRST])[0]

    labels, owners = codes_of(label), codes_of(identity)
    found = []
    for name in names:
        column = head.column(name)[:NUM_FIRST]
        codes = pd.factorize(column)[0]
        if (
            re.fullmatch(SPLIT_NAMES, name, re.IGNORECASE)
            or holds_dates(column)
            or _counts_rows(column)
            or (labels is not None and _is_function_of(labels, codes))
            or (owners is not None and (_rises(column) or _is_function_of(owners, codes)))
        ):
            found.append(name)
    return found


def _is_function_of(codes: np.ndarray, values: np.ndarray) -> bool:
    """Return whether rows with the same code have the same value.

    A negative code is a missing value, which decides nothing.
    """
    if codes.max() < 0:
        return True
    return bool((values == values[_first_rows(codes)][codes]).all())


def _counts_rows(column: pd.Series) -> bool:
    if column.dtype.kind not in "iu" or len(column) < 3:
        return False
    values = column.to_numpy()
    return bool(values[0] in (0, 1) and (np.diff(values) == 1).all())


def _is_copy(column: pd.Series, labels: np.ndarray) -> bool:
    if column.dtype.kind == "f":
        return False
    codes = pd.factorize(column)[0]
    if codes.max() != labels.max() or codes.max() < 1:
        return False
    if len(codes) < 3 * (labels.max() + 1):
        return False  # too few rows to be more than chance
    return _is_function_of(labels, codes)


def _is_split(column: pd.Series, name: str) -> bool:
    if not re.fullmatch(SPLIT_NAMES, name, re.IGNORECASE):
        return False
    words = {str(word).strip().lower() for word in column.unique()}
    if words <= {*SPLIT_OF_WORD, "true", "false"}:
        return True
    return column.dtype.kind in "iub" and len(words) <= 20


def _is_constant(column: pd.Series, owners: np.ndarray) -> bool:
    """Return whether a column has one value in each sequence, and some sequences share one."""
    is_number = column.dtype.kind in "iuf"
    values = column.to_numpy() if is_number else pd.factorize(column)[0]
    of_owner = values[_first_rows(owners)]
    if not (values == of_owner[owners]).all():
        return False
    return bool(1 < len(pd.unique(of_owner)) < len(of_owner))


def _first_rows(codes: np.ndarray) -> np.ndarray:
    """Return the first row of each code, which are 0 up to the largest."""
    first = np.empty(codes.max() + 1, dtype=np.intp)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    return first


def _rises(column: pd.Series) -> bool:
    if column.dtype.kind not in "iuf":
        return False
    values = column.to_numpy()
    return len(values) > 2 and bool((np.diff(values) > 0).all())

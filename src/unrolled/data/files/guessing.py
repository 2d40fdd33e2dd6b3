"""Guesses the meaning of the columns of a table from their names and their cells."""

import re
from dataclasses import dataclass, field

import pandas as pd

from unrolled.data.files.bookkeeping import SPLIT_NAMES, bookkeeping
from unrolled.data.files.given_splits import SPLIT_OF_WORD
from unrolled.data.files.joined_columns import join_id
from unrolled.data.files.joined_time import guess_joined, join_time
from unrolled.data.files.keys import Restart, find_restart
from unrolled.data.files.likely_label import require_label, share_of_numbers
from unrolled.data.files.likely_rows import guess_rows
from unrolled.data.files.likely_time import guess_time
from unrolled.data.files.schema import MOST_WORDS
from unrolled.data.files.tabular import Table, is_plain, shown
from unrolled.data.files.time_cells import holds_readable_times, looks_like_times
from unrolled.data.files.wide_names import parse_names
from unrolled.errors import DataError

MOSTLY = 0.8  # with this share of numbers, a column is numeric and other cells are mistakes


@dataclass(frozen=True)
class Guess:
    """The columns by meaning.

    form: `long` or `wide`.
    restart: a column without which the id seems to merge sequences, or None.
    warnings: what may be wrong with the guess.
    """

    form: str
    id: str | None
    time: str | None
    label: str
    group: str | None
    split_column: str | None
    features: tuple[str, ...]
    categorical: tuple[str, ...]
    restart: Restart | None = None
    warnings: list[str] = field(default_factory=list)


def guess(
    table: Table,
    *,
    known: dict[str, str | None],
    form: str | None = None,
    embedding: int | None = None,
) -> Guess:
    """Return the guessed meaning of the columns.

    known: columns that the user has typed, or None, by id, time and label.
    form: `long` or `wide` if the user has typed it.
    embedding: see Schema. If it is set, columns with many words are features too.

    Raises:
        DataError: no column looks like a label, a column in known is missing, each row seems to be
            a step but no column names the sequences, or there is no feature without embedding.
    """
    join_id(table, known["id"], kept=set())
    join_time(table, known["time"])
    table.require(known.values())
    label = known["label"] or require_label(table)
    warnings: list[str] = []
    rows = guess_rows(table, label, known=known, form=form, warnings=warnings)
    is_long, identity = rows.is_long, rows.identity
    special = {label, identity, rows.group}
    time = restart = None
    if is_long:
        names = _without(table, special)
        time = known["time"] or guess_joined(table, names)
        time = time or guess_time(table.frame, names, identity)
        join_time(table, time)
        special.add(time)
    frame = table.frame
    names = _without(table, special)
    if is_long and identity is not None:
        candidates = [name for name in names if not looks_like_times(frame[name])]
        restart = find_restart(frame, identity, candidates, label=label, time=time)
    if restart is not None and identity is not None:
        warnings.append(f"{restart.message(identity)} {restart.remedy(identity)}")
    out, kept = bookkeeping(table, names, identity=identity if is_long else None, label=label)
    split_column = next((name for name in names if _assigns_splits(frame, name)), None)
    for name, reason in out.items():
        if name != split_column:
            warnings.append(f"column {name!r} is left out, because it {reason}")
    for name, reason in kept.items():
        warnings.append(f"feature {name!r} {reason}; to leave it out, edit data.features")
    names = [name for name in names if name not in out and name != split_column]
    features, categorical = _features(
        table, names, is_long=is_long, embedding=embedding, warnings=warnings
    )
    return Guess(
        form="long" if is_long else "wide",
        id=identity,
        time=time,
        label=label,
        group=rows.group,
        split_column=split_column,
        features=features,
        categorical=categorical,
        restart=restart,
        warnings=warnings,
    )


def _without(table: Table, special: set[str | None]) -> list[str]:
    return [name for name in table.columns if name not in special]


def _features(
    table: Table,
    names: list[str],
    *,
    is_long: bool,
    embedding: int | None,
    warnings: list[str],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the features, and which of them are words. For embedding see `guess`.

    names: columns that may be features.
    warnings: gets what may be wrong.

    Raises:
        DataError: there is no feature without embedding.
    """
    frame = table.frame
    if not is_long and (unknown := parse_names(names)).others:
        warnings += [f"column {name!r} is left out: it counts no step" for name in unknown.others]
        names = [name for name in names if name not in unknown.others]
    words = [name for name in names if share_of_numbers(frame[name]) < MOSTLY]
    spelled = [name for name in words if _is_spelled_otherwise(frame[name])]
    warnings += [f"column {name!r} holds numbers in another spelling" for name in spelled]
    words = [name for name in words if name not in spelled]
    most = MOST_WORDS if embedding is None else len(frame)
    left_out = [
        name
        for name in words
        if not is_long or frame[name].nunique() > most or looks_like_times(frame[name])
    ]
    warnings += [
        f"column {name!r} is left out: {_reason(frame[name], name, is_long=is_long)}"
        for name in left_out
    ]
    if is_long and left_out == names:
        raise DataError(
            f"{table.path}: every feature column has more than {MOST_WORDS} words: "
            f"{shown(left_out)}; to learn a vector for each word, type embedding=16"
        )
    features = [name for name in names if name not in left_out]
    if not is_long and parse_names(features).moments is None:
        warnings.append(
            f"no column names the sequences, and no column names count steps: each row is read as "
            f"a sequence of {len(features)} steps of one feature ({shown(features, at_most=4)}). "
            f"If each row is a step, type id=COLUMN"
        )
    return tuple(features), tuple(name for name in words if name not in left_out)


def _reason(column: pd.Series, name: str, *, is_long: bool) -> str:
    if not is_long:
        return "words need a row per step (long form)"
    if holds_readable_times(column):
        return f"it looks like times; to use it, type time={name}"
    if looks_like_times(column):
        return (
            f"it looks like times; to use it, write it as 2026-11-24 13:05:00 and type time={name}"
        )
    return f"it has {column.nunique()} words; to learn a vector for each word, type embedding=16"


def _is_spelled_otherwise(column: pd.Series) -> bool:
    """Return whether most words are numbers with a unit, a percent sign or thousands separators."""
    cells = column.dropna().astype(str).str.strip()
    shorter = cells.str.replace(r"[\s'%€$£]|[a-zA-Z°µ/]+$", "", regex=True)
    shorter = shorter.str.replace(r"(\d)[.,](\d{3})", r"\1\2", regex=True)
    return bool(len(cells)) and bool(shorter.map(is_plain).mean() > MOSTLY)


def _assigns_splits(frame: pd.DataFrame, name: str) -> bool:
    words = {str(word).strip().lower() for word in frame[name].unique()}
    return (
        re.fullmatch(SPLIT_NAMES, name, re.IGNORECASE) is not None
        and words <= set(SPLIT_OF_WORD)
        and any(SPLIT_OF_WORD[word] == "train" for word in words)
    )

"""Guesses the meaning of the columns of a table from their names and their cells."""

import re
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from unrolled.data.files.archive_tables import archive_label
from unrolled.data.files.bookkeeping import OWNER_NAMES, SPLIT_NAMES, bookkeeping
from unrolled.data.files.given_splits import SPLIT_OF_WORD
from unrolled.data.files.joined_columns import join_id
from unrolled.data.files.joined_time import guess_joined, join_time
from unrolled.data.files.keys import Restart, find_restart, guess_key, increases, moments
from unrolled.data.files.labels import refuse_other_tasks
from unrolled.data.files.schema import MOST_WORDS
from unrolled.data.files.tabular import EMPTY_CELLS, Table, is_plain, shown
from unrolled.data.files.time_cells import holds_readable_times, looks_like_times
from unrolled.data.files.wide_names import parse_names
from unrolled.errors import DataError

# Typical names, the likeliest first.
LABELS = (r"label|labels", r"class|target|category|activity", r".*[_ ](label|class)|kind", r"y")
IDS = (
    r"id|.*[_ .-]id",
    r"(subject|patient|user|person|trial|sample|recording|sequence|case|session)id",
    r"sequence|series|recording|record|rec|trial|(file|subject)?_?name|file|sample|subject|user",
)
TIMES = (
    r"time(stamp)?|date_?time|date|.*_time(stamp)?",
    r"t|step|minute|second|hour|day|frame|index|.*_(step|index)|sample.*|.*_(ms|ns|us|s)|month|year",
)
MOST_CLASSES = 100
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
    frame = table.frame
    numbers = {str(name): _share_of_numbers(frame[name]) for name in frame}
    label = known["label"] or guess_label(table)
    if label is None:
        patterns = LABELS[:-1] if "x" in table.columns else LABELS  # y may be an axis
        for name in table.columns:
            if re.fullmatch("|".join(patterns), name, re.IGNORECASE):
                refuse_other_tasks(table.labels(name), table.path, num_labels=len(table))
        raise DataError(
            f"{table.path}: which column is the label? Type label=COLUMN, one of "
            f"{shown(table.columns)}"
        )
    warnings: list[str] = []
    others = [name for name in table.columns if name != label]
    identity = known["id"] or _guess_id(frame, others, label)
    is_long = identity is not None and bool(frame[identity].duplicated().any())
    times = _times(frame, others, known["time"])
    if known["id"] is None and form != "wide" and not is_long:
        identity, is_long = _without_typical_id(
            table, others, identity, label=label, times=times, is_long=form == "long"
        )
        is_joined = is_long and identity not in others
        others = [name for name in others if name in table.columns]
        if is_joined:
            warnings.append(f"no single column names the sequences; {identity!r} joins two columns")
        elif not is_long and identity is None and times:
            warnings.append(
                f"each row is read as a sequence, but column {times[0]!r} holds times; if each row "
                f"is a step, type id=COLUMN"
            )
    elif form is not None:
        identity = None if is_long and known["id"] is None and form == "wide" else identity
        is_long = form == "long"
    group = None
    if (
        is_long
        and known["id"] is None
        and form is None
        and _looks_wide(others, identity, frame, known["time"])
    ):
        group, identity, is_long = identity, None, False
        warnings.append(f"{group!r} repeats, and the columns count steps: each row is a sequence")
    others = [name for name in others if name not in (identity, group)]
    time = None
    if is_long:
        time = known["time"] or guess_joined(table, others) or _guess_time(frame, others, identity)
        join_time(table, time)
        others = [name for name in others if name != time and name in table.columns]
    restart = None
    if is_long and identity is not None:
        candidates = [name for name in others if not looks_like_times(frame[name])]
        restart = find_restart(frame, identity, candidates, label=label, time=time)
    if restart is not None and identity is not None:
        warnings.append(f"{restart.message(identity)} {restart.remedy(identity)}")
    out, kept = bookkeeping(table, others, identity=identity if is_long else None, label=label)
    split_column = next((name for name in others if _assigns_splits(frame, name)), None)
    for name, reason in out.items():
        if name != split_column:
            warnings.append(f"column {name!r} is left out, because it {reason}")
    for name, reason in kept.items():
        warnings.append(f"feature {name!r} {reason}; to leave it out, edit data.features")
    others = [name for name in others if name not in out and name != split_column]
    if not is_long and (unknown := parse_names(others)).others:
        warnings += [f"column {name!r} is left out: it counts no step" for name in unknown.others]
        others = [name for name in others if name not in unknown.others]
    words = [name for name in others if numbers[name] < MOSTLY]
    spelled = [name for name in words if _is_spelled_otherwise(frame[name])]
    warnings += [f"column {name!r} holds numbers in another spelling" for name in spelled]
    words = [name for name in words if name not in spelled]
    num_words = {name: int(frame[name].nunique()) for name in words}
    most = MOST_WORDS if embedding is None else len(frame)
    left_out = [
        name
        for name in words
        if num_words[name] > most or not is_long or looks_like_times(frame[name])
    ]
    warnings += [
        f"column {name!r} is left out: {_reason(frame[name], name, is_long=is_long)}"
        for name in left_out
    ]
    if is_long and left_out == others:
        raise DataError(
            f"{table.path}: every feature column has more than {MOST_WORDS} words: "
            f"{shown(left_out)}; to learn a vector for each word, type embedding=16"
        )
    features = [name for name in others if name not in left_out]
    if not is_long and parse_names(features).moments is None:
        warnings.append(
            f"no column names the sequences, and no column names count steps: each row is read as "
            f"a sequence of {len(features)} steps of one feature ({shown(features, at_most=4)}). "
            f"If each row is a step, type id=COLUMN"
        )
    return Guess(
        form="long" if is_long else "wide",
        id=identity,
        time=time,
        label=label,
        group=group,
        split_column=split_column,
        features=tuple(features),
        categorical=tuple(name for name in words if name not in left_out),
        restart=restart,
        warnings=warnings,
    )


def _without_typical_id(
    table: Table,
    names: list[str],
    identity: str | None,
    *,
    label: str,
    times: list[str],
    is_long: bool,
) -> tuple[str | None, bool]:
    """Return the id of a table without a repeated id, and whether it is in long form.

    identity: a column that differs in each row, or None.
    times: columns that hold times.
    is_long: whether the user has typed this.

    Raises:
        DataError: each row seems to be a step, but no column names the sequences.
    """
    frame = table.frame
    steps = [name for name in names if frame[name].dtype.kind in "iuf" and name not in times]
    if (
        parse_names([name for name in steps if name != identity]).moments is not None
        and not is_long
    ):
        return identity, False
    keys = [name for name in names if name not in times]
    is_step = bool(times) or is_long
    key = guess_key(frame, keys, label=label) if is_step or identity is None else None
    if key is not None:
        join_id(table, " ".join(key), kept=set())
        return " ".join(key), True
    if is_step:
        why = f"column {times[0]!r} holds times" if times else "form=long"
        raise DataError(
            f"{table.path}: {why}, so each row is a step, but which column names the "
            f"sequence of each row? Type id=COLUMN, one of {shown(keys)}, or id='A B' for two "
            f"columns, or add such a column to the file. If each row is a sequence, type form=wide"
        )
    return identity, False


def _times(frame: pd.DataFrame, names: list[str], known: str | None) -> list[str]:
    """Return the columns that hold times by their names or their cells."""
    return [
        name
        for name in names
        if name == known
        or looks_like_times(frame[name])
        or (
            re.fullmatch(TIMES[0], name, re.IGNORECASE) is not None
            and frame[name].dtype.kind in "iuf"
        )
    ]


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


def guess_label(table: Table) -> str | None:
    """Return the column that looks most like a label, or None."""
    frame = table.frame
    for pattern in LABELS:
        for name in map(str, frame):
            if re.fullmatch(pattern, name, re.IGNORECASE) and _can_be_classes(frame, name):
                return name
    words = [
        str(name)
        for name in frame
        if _share_of_numbers(frame[name]) < 1
        and 2 <= frame[name].nunique() <= min(MOST_CLASSES, len(frame) / 2)
        and not looks_like_times(frame[name])
    ]
    if words:
        return words[-1]
    return archive_label(table)


def _can_be_classes(frame: pd.DataFrame, name: str) -> bool:
    """Return whether a column has few enough values to be the label."""
    column = frame[name]
    num = column.nunique()
    if column.dtype.kind == "f" and not (column.dropna() == column.dropna().round()).all():
        return False
    return bool(num <= MOST_CLASSES or num <= len(frame) / 2)


def _share_of_numbers(column: pd.Series) -> float:
    """Return the share of cells that are numbers, 0 to 1; 1 if there are no cells."""
    if column.dtype.kind in "iuf":
        return 1.0
    cells = column.dropna().astype(str).str.strip()
    cells = cells[~cells.str.lower().isin(EMPTY_CELLS)]
    return float(pd.to_numeric(cells, errors="coerce").notna().mean()) if len(cells) else 1.0


def _is_spelled_otherwise(column: pd.Series) -> bool:
    """Return whether most words are numbers with a unit, a percent sign or thousands separators."""
    cells = column.dropna().astype(str).str.strip()
    shorter = cells.str.replace(r"[\s'%€$£]|[a-zA-Z°µ/]+$", "", regex=True)
    shorter = shorter.str.replace(r"(\d)[.,](\d{3})", r"\1\2", regex=True)
    return bool(len(cells)) and bool(shorter.map(is_plain).mean() > MOSTLY)


def _guess_id(frame: pd.DataFrame, names: list[str], label: str) -> str | None:
    for pattern in IDS:
        for name in names:
            if re.fullmatch(pattern, name, re.IGNORECASE) and not _counts_steps(frame[name]):
                return name
    return next((name for name in names if _repeats(frame, name, label)), None)


def _counts_steps(column: pd.Series) -> bool:
    """Return whether a column counts up and begins again, as the number of a sample does."""
    if column.dtype.kind not in "iu" or not column.duplicated().any():
        return False
    gaps = np.diff(column.to_numpy())
    return bool((gaps == 1).mean() > 0.5)


def _repeats(frame: pd.DataFrame, name: str, label: str) -> bool:
    """Return whether values repeat in consecutive rows, each with one label: a likely id."""
    column = frame[name]
    if column.dtype.kind == "f" or not column.duplicated().any() or column.nunique() < 2:
        return False
    if looks_like_times(column):
        return False
    codes = pd.factorize(column)[0]
    runs = 1 + int((np.diff(codes) != 0).sum())
    if column.dtype.kind in "iub" and runs != column.nunique():
        return False
    # NaN counts as a class, because one may be called None
    return bool((frame.groupby(name)[label].nunique(dropna=False) == 1).all())


def _looks_wide(
    names: list[str], identity: str | None, frame: pd.DataFrame, time: str | None
) -> bool:
    """Return whether a table with a repeated subject has a column for each of several steps."""
    others = [name for name in names if name != identity]
    numeric = [name for name in others if frame[name].dtype.kind in "iuf"]
    counted = parse_names(numeric)
    return (
        time is None
        and identity is not None
        and re.fullmatch(OWNER_NAMES, identity, re.IGNORECASE) is not None
        and counted.moments is not None
        and max(map(len, counted.columns.values())) > 2
        and not counted.others
    )


def _guess_time(frame: pd.DataFrame, names: list[str], identity: str | None) -> str | None:
    """Return the first column with a typical name whose values order the steps of a sequence.

    Without such a name, return the only column of ISO dates that increase within sequences.
    """
    named = []
    for pattern in TIMES:
        for name in names:
            if re.fullmatch(pattern, name, re.IGNORECASE) and name not in named:
                named.append(name)
    for name in named:
        column = frame[name]
        is_unique = not frame.duplicated([identity, name]).any()
        if is_unique and (column.dtype.kind != "f" or _is_ordered(frame, name, identity)):
            return name
    if named and re.fullmatch(TIMES[0], named[0], re.IGNORECASE):
        return named[0]
    dates = [name for name in names if holds_readable_times(frame[name])]
    if len(dates) == 1 and identity and increases(moments(frame[dates[0]]), frame, identity):
        return dates[0]
    return None


def _is_ordered(frame: pd.DataFrame, name: str, identity: str | None) -> bool:
    gaps = frame.groupby(identity, sort=False)[name].diff().dropna()
    return bool((gaps >= 0).all()) or re.fullmatch(TIMES[0], name, re.IGNORECASE) is not None


def _assigns_splits(frame: pd.DataFrame, name: str) -> bool:
    words = {str(word).strip().lower() for word in frame[name].unique()}
    return (
        re.fullmatch(SPLIT_NAMES, name, re.IGNORECASE) is not None
        and words <= set(SPLIT_OF_WORD)
        and any(SPLIT_OF_WORD[word] == "train" for word in words)
    )

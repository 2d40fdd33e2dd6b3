"""The steps that the column names of a table in wide form count."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from unrolled.errors import DataError

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FEATURE = r"(?P<feature>.*?)[ _.\-\[(]*"
DATE = r"(\d{4})[-/.](\d{1,2})(?:[-/.](\d{1,2}))?"
CLOCK = r"(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?"
UNIT = r" ?(?:s|sec|ms|min|h|d)?"


def _numbers(*groups: str | None) -> tuple[float, ...]:
    return tuple(float(group or 0) for group in groups)


def _word(words: Sequence[str]) -> Callable[..., tuple[float, ...]]:
    def position(word: str, *numbers: str | None) -> tuple[float, ...]:
        return (*_numbers(*numbers), float(words.index(word[:3].lower())))

    return position


# Patterns of names, the first that fits all columns: the moment of a step is made of the groups.
PATTERNS: tuple[tuple[str, Callable[..., tuple[float, ...]]], ...] = (
    (rf"{FEATURE}{DATE}(?:[ T]{CLOCK})?", _numbers),
    (rf"{FEATURE}{CLOCK}", _numbers),
    (rf"{FEATURE}(\d{{8}})", _numbers),
    (r"(?:t|step|time|s)?[ _]?(\d+)[ _.\-](?P<feature>[^\W\d]\w*)", _numbers),
    (rf"{FEATURE}(\d+)[\])]?", _numbers),
    (rf"{FEATURE}(\d+\.\d+|\d+){UNIT}[\])]?", _numbers),
    (rf"{FEATURE}((?:{'|'.join(MONTHS)})[a-z]*)[ _.\-]*(\d{{2,4}})?", _word(MONTHS)),
    (rf"{FEATURE}((?:{'|'.join(DAYS)})[a-z]*)", _word(DAYS)),
)


@dataclass(frozen=True)
class WideNames:
    """The columns of each feature in the order of steps.

    columns: by feature.
    moments: the moment of each step that names tell, by feature, or None if they count no steps.
    pattern: position in PATTERNS, or None.
    others: columns whose names do not fit the pattern.
    """

    columns: dict[str, list[str]]
    moments: dict[str, list[tuple[float, ...]]] | None
    pattern: int | None
    others: list[str]


def parse_names(columns: Sequence[str]) -> WideNames:
    """Return the steps that most of the column names count.

    For example, `x_0, x_1, y_0, y_1` are two features of two steps, and so are `t0_x, t0_y, t1_x,
    t1_y`. Steps may be numbers, seconds (0.5), dates, months or clock times. If names count no
    steps, all columns are the steps of one feature, in the order of the table.
    """
    return _parsed(tuple(columns))


@lru_cache(maxsize=16)  # each part of a file has the same names
def _parsed(columns: tuple[str, ...]) -> WideNames:
    best: tuple[int, int, dict[str, list[tuple[tuple[float, ...], str]]]] | None = None
    for number, (pattern, moment) in enumerate(PATTERNS):
        found: dict[str, list[tuple[tuple[float, ...], str]]] = {}
        for name in columns:
            match = re.fullmatch(pattern, name.strip(), re.IGNORECASE)
            if match is not None:
                at = match.re.groupindex["feature"]
                groups = [text for n, text in enumerate(match.groups(), start=1) if n != at]
                found.setdefault(match["feature"], []).append((moment(*groups), name))
        num = sum(map(len, found.values()))
        distinct = all(len({at for at, _ in steps}) == len(steps) for steps in found.values())
        if distinct and num and (best is None or num > best[0]):
            best = (num, number, found)
    if best is not None:
        num, number, found = best
        longest = max(map(len, found.values()))
        most = num == len(columns) or (longest > 2 and 2 * num >= len(columns))
        if longest > 1 and most:
            kept = {feature or "value": sorted(steps) for feature, steps in found.items()}
            named = {name for steps in kept.values() for _, name in steps}
            return WideNames(
                columns={f: [name for _, name in steps] for f, steps in kept.items()},
                moments={f: [at for at, _ in steps] for f, steps in kept.items()},
                pattern=number,
                others=[name for name in columns if name not in named],
            )
    if len(columns) == 1 and best is not None:
        return WideNames({best_feature(best[2]): list(columns)}, None, None, [])
    return WideNames({"value": list(columns)}, None, None, [])


def best_feature(found: dict[str, list[tuple[tuple[float, ...], str]]]) -> str:
    """Return the only feature."""
    return next(iter(found)) or "value"


def steps_of(columns: Sequence[str], *, path: object) -> dict[str, list[str]]:
    """Return the columns of each feature in the order of steps.

    Raises:
        DataError: some names count steps and others do not, or features have different steps.
    """
    names = parse_names(columns)
    if names.moments is None:
        return names.columns
    if names.others:
        raise DataError(
            f"{path}: the columns {_some(names.columns)} count steps, but {_quoted(names.others)} "
            f"does not; list the columns of all steps in data.features=[...]"
        )
    moments = list(names.moments.items())
    for feature, steps in moments[1:]:
        if steps != moments[0][1]:
            raise DataError(
                f"{path}: the feature {moments[0][0]!r} has {len(moments[0][1])} steps, but "
                f"{feature!r} has {len(steps)} or other ones; every feature needs a column for "
                f"each step"
            )
    return names.columns


def further_steps(known: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Return the known columns and columns of further steps of the same features."""
    names = parse_names(known)
    if names.pattern is None or names.moments is None:
        return list(known)
    every = parse_names([*known, *(name for name in columns if name not in known)])
    if every.pattern != names.pattern or every.moments is None:
        return list(known)
    return [
        name
        for feature, last in names.moments.items()
        for at, name in zip(
            every.moments.get(feature, []), every.columns.get(feature, []), strict=True
        )
        if name in known or at > last[-1]
    ]


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:5]))


def _some(columns: dict[str, list[str]]) -> str:
    return _quoted([steps[0] for steps in columns.values()]) + " ..."

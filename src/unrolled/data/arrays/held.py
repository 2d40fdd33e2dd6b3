"""Arrays that a call passes to the source `data=arrays`. A config cannot hold them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from unrolled.errors import DataError


@dataclass(frozen=True)
class Given:
    """One set of labelled sequences, as the user passed it.

    x: sequences, or a DataFrame whose columns also hold the labels; see `recordings`.
    y: label of each sequence, or None if x holds the labels.
    lengths: real steps of each sequence of a padded array, or None.
    groups: group of each sequence, or None.
    """

    x: Any
    y: Any = None
    lengths: Any = None
    groups: Any = None


_held: ContextVar[Mapping[str, Given] | None] = ContextVar("arrays", default=None)


@contextmanager
def holding(splits: Mapping[str, Given]) -> Iterator[None]:
    """Let the source `data=arrays` load these sets in this context.

    splits: `train`, and perhaps `val` and `test`.
    """
    token = _held.set(splits)
    try:
        yield
    finally:
        _held.reset(token)


def are_held() -> bool:
    """Return whether this is the context of `holding`."""
    return _held.get() is not None


def held() -> Mapping[str, Given]:
    """Return the sets of `holding`.

    Raises:
        DataError: no arrays were passed.
    """
    splits = _held.get()
    if splits is None:
        raise DataError(
            "data=arrays: the arrays of a run are not stored; pass them again in Python, for "
            'example unrolled.train(["model=gru"], data=(x, y)) or '
            "unrolled.resume(run, data=(x, y))"
        )
    return splits


def given(data: Any, *, name: str, lengths: Any = None, groups: Any = None) -> Given:
    """Return a set from the forms in which `unrolled.train` accepts it.

    data: (x, y), (x, y, lengths), a DataFrame, or a Dataset of pairs (sequence, label).
    name: of the argument, for messages.

    Raises:
        DataError: the data has none of these forms.
    """
    if isinstance(data, Given):
        return data
    if isinstance(data, tuple):
        if len(data) == 3 and lengths is None:
            return Given(*data, groups=groups)
        if len(data) == 2:
            return Given(*data, lengths=lengths, groups=groups)
        raise DataError(f"{name}: need (x, y) or (x, y, lengths), got {len(data)} parts")
    if hasattr(data, "columns"):
        if lengths is not None or groups is not None:
            raise DataError(
                f"{name}: a DataFrame has a row per step and its groups in a column; leave out "
                "lengths= and groups=, and type data.group=COLUMN"
            )
        return Given(data)
    if hasattr(data, "__getitem__") and hasattr(data, "__len__") and not hasattr(data, "shape"):
        pairs = [data[number] for number in range(len(data))]
    elif hasattr(data, "__iter__") and not hasattr(data, "shape"):
        pairs = list(data)
    else:
        raise DataError(
            f"{name}: need (x, y), a DataFrame or a Dataset, got {type(data).__name__}; "
            f"the labels are missing, for example {name}=(x, y)"
        )
    wrong = [row for row, pair in enumerate(pairs) if not _is_pair(pair)]
    if wrong:
        raise DataError(
            f"{name}, item {wrong[0]}: a Dataset must yield pairs (sequence, label), got "
            f"{type(pairs[wrong[0]]).__name__}"
        )
    x, y = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return Given(x, y, lengths=lengths, groups=groups)


def _is_pair(item: Any) -> bool:
    return isinstance(item, tuple | list) and len(item) == 2

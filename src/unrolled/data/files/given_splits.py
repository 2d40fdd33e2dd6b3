"""Splits that a column of the file assigns, and groups that must not be divided."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from unrolled.data.files.recordings import Recordings
from unrolled.data.files.tabular import Table, shown
from unrolled.data.files.words import Words
from unrolled.errors import DataError

SPLIT_OF_WORD = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}


def splits_of(table: Table, column: str) -> Words:
    """Return train, val or test for each row.

    Raises:
        DataError: a cell holds another word.
    """
    words = table.text(column)
    splits = []
    for code, cell in enumerate(words.names):
        split = SPLIT_OF_WORD.get(cell.lower())
        if split is None:
            row = int((words.codes == code).argmax())
            raise DataError(
                f"{table.place(row, column)}: {cell!r} is not a split; need train, val or test"
            )
        splits.append(split)
    return Words(words.codes, splits)


def divide(recordings: Recordings, *, path: str) -> dict[str, Recordings]:
    """Return the recordings of each split that has any.

    Raises:
        DataError: no sequence is in the training set, or a class does not occur there.
    """
    assert recordings.splits is not None
    splits = {}
    for name in ("train", "val", "test"):
        rows = [row for row, split in enumerate(recordings.splits) if split == name]
        if rows:
            splits[name] = recordings.take(rows)
    if "train" not in splits:
        raise DataError(f"{path}: the column data.split_column assigns no sequence to train")
    known = splits["train"].every_label()
    for name, split in splits.items():
        unknown = split.every_label() - known
        if unknown:
            raise DataError(
                f"{path}: the class {shown(unknown)} occurs in {name}, but not in train"
            )
    return splits


def refuse_shared_groups(splits: Mapping[str, Recordings]) -> None:
    """Check that each group is in one split only.

    Raises:
        DataError: names the group and its two splits.
    """
    split_of: dict[str, str] = {}
    for name, recordings in splits.items():
        for group in recordings.groups or ():
            if split_of.setdefault(group, name) != name:
                raise DataError(
                    f"group {group!r} (data.group) is in {split_of[group]} and in {name}; "
                    f"assign all of its sequences to one split"
                )


def refuse_shared_sequences(
    splits: Mapping[str, Recordings], *, settings: Mapping[str, str]
) -> None:
    """Check that no two splits have a sequence with the same id and the same values.

    An id alone may occur in several files, because ids often begin again in each.

    settings: that name the file of each split, for the message.

    Raises:
        DataError: names the first such sequence and where it is.
    """
    for (first, one), (second, other) in combinations(splits.items(), 2):
        values = dict(zip(one.ids, one.values, strict=True))
        shared = [
            name
            for name, value in zip(other.ids, other.values, strict=True)
            if name in values and np.array_equal(values[name], value, equal_nan=True)
        ]
        if shared:
            raise DataError(
                f"sequence {shared[0]!r} is in {first} ({settings[first]}) and, with the same "
                f"values, in {second} ({settings[second]}); remove it from one of them "
                f"({len(shared)} such sequences)"
            )

"""Which part of the data a sequence belongs to, where a column of the file says so."""

from collections.abc import Mapping

from unrolled.data.files.recordings import Recordings
from unrolled.data.files.tabular import Table, shown
from unrolled.errors import DataError

SPLIT_OF_WORD = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}


def splits_of(table: Table, column: str) -> list[str]:
    """Return train, val or test for each row.

    Raises:
        DataError: another word stands there.
    """
    splits = []
    for row, cell in enumerate(table.text(column)):
        split = SPLIT_OF_WORD.get(cell.lower())
        if split is None:
            raise DataError(f"{table.place(row, column)}: {cell!r} is none of train, val, test")
        splits.append(split)
    return splits


def divide(recordings: Recordings, *, path: str) -> dict[str, Recordings]:
    """Return the recordings of each part that a column names; train is one of them.

    Raises:
        DataError: there is no training sequence, or a class that none of them has.
    """
    assert recordings.splits is not None
    splits = {}
    for name in ("train", "val", "test"):
        rows = [row for row, split in enumerate(recordings.splits) if split == name]
        if rows:
            splits[name] = recordings.take(rows)
    if "train" not in splits:
        raise DataError(f"{path}: data.split_column marks no sequence as train")
    known = splits["train"].every_label()
    for name, split in splits.items():
        unknown = split.every_label() - known
        if unknown:
            raise DataError(f"{path}: no train sequence has the class {shown(unknown)} of {name}")
    return splits


def refuse_shared_groups(splits: Mapping[str, Recordings]) -> None:
    """Refuse a group that stands in two parts.

    Raises:
        DataError: names it and them.
    """
    split_of: dict[str, str] = {}
    for name, recordings in splits.items():
        for group in recordings.groups or ():
            if split_of.setdefault(group, name) != name:
                raise DataError(
                    f"group {group!r} of data.group stands in {split_of[group]} and in {name}; "
                    "a group belongs to one part"
                )

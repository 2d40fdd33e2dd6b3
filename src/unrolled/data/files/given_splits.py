"""Which part of the data a sequence belongs to, where a column of the file says so."""

from collections.abc import Mapping

from unrolled.data.files.recordings import Recordings
from unrolled.data.files.tabular import Table, shown
from unrolled.errors import DataError

WORDS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val"}
WORDS |= {"dev": "val", "test": "test", "testing": "test"}


def parts_of(table: Table, column: str) -> list[str]:
    """Return train, val or test for each row.

    Raises:
        DataError: another word stands there.
    """
    parts = []
    for row, cell in enumerate(table.text(column)):
        part = WORDS.get(cell.lower())
        if part is None:
            raise DataError(f"{table.place(row, column)}: {cell!r} is none of train, val, test")
        parts.append(part)
    return parts


def divide(recordings: Recordings, *, path: str) -> dict[str, Recordings]:
    """Return the recordings of each part that a column names; train is one of them.

    Raises:
        DataError: there is no training sequence, or a class that none of them has.
    """
    assert recordings.parts is not None
    parts = {}
    for name in ("train", "val", "test"):
        rows = [row for row, part in enumerate(recordings.parts) if part == name]
        if rows:
            parts[name] = recordings.take(rows)
    if "train" not in parts:
        raise DataError(f"{path}: data.split_column marks no sequence as train")
    known = parts["train"].every_label()
    for name, part in parts.items():
        unknown = part.every_label() - known
        if unknown:
            raise DataError(f"{path}: no train sequence has the class {shown(unknown)} of {name}")
    return parts


def refuse_shared_groups(parts: Mapping[str, Recordings]) -> None:
    """Refuse a group that stands in two parts.

    Raises:
        DataError: names it and them.
    """
    part_of: dict[str, str] = {}
    for name, recordings in parts.items():
        for group in recordings.groups or ():
            if part_of.setdefault(group, name) != name:
                raise DataError(
                    f"group {group!r} of data.group stands in {part_of[group]} and in {name}; "
                    "a group belongs to one part"
                )

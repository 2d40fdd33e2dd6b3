"""Which runs prepare their sequences in the same way."""

from collections.abc import Sequence
from typing import Any

from unrolled.runs.run_folder import RunFolder


def distinct_preprocessing(folders: Sequence[RunFolder]) -> tuple[list[dict[str, Any]], list[int]]:
    """Return the distinct contents of preprocessing.json, and the number of the one of each run.

    The members of an ensemble differ in it if their models differ in the channels that they read.

    Raises:
        CheckpointError: the file of a run is missing or damaged.
    """
    distinct: list[dict[str, Any]] = []
    numbers = []
    for folder in folders:
        values = folder.preprocessing()
        if values not in distinct:
            distinct.append(values)
        numbers.append(distinct.index(values))
    return distinct, numbers

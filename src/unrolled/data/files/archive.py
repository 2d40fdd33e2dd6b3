"""Sequences in the text formats of the UCR/UEA archive: .ts and ARFF."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from unrolled.data.files.arff_format import arff_sequences
from unrolled.data.files.recordings import Numbered, Recordings
from unrolled.data.files.ts_format import ts_sequences

Labelled = tuple[npt.NDArray[np.float64], str | None]  # (t, d), and the class


class _Reader(Protocol):
    def __call__(self, path: Path, *, labelled: bool) -> Iterator[Labelled]: ...


READERS: dict[str, _Reader] = {"ts": ts_sequences, "arff": arff_sequences}  # by format


def archive_sequences(path: Path, kind: str, *, labelled: bool) -> Iterator[Labelled]:
    """Yield the values, (t, d), and the class of each sequence, or None without class labels.

    kind: ts or arff.
    labelled: whether class labels are needed.

    Raises:
        DataError: the file is missing or damaged, or lacks class labels that are needed. The
            message names the line, when the reader reaches it.
    """
    return READERS[kind](path, labelled=labelled)


def read_archive(path: Path, kind: str, *, labelled: bool) -> Recordings:
    """Return all sequences of a file. Features get the names dim_0, dim_1 and so on.

    Raises:
        DataError: as `archive_sequences`.
    """
    sequences = list(archive_sequences(path, kind, labelled=labelled))
    values = [value for value, _ in sequences]
    return Recordings(
        ids=Numbered.up_to(len(values)),
        steps=np.concatenate(values),
        lengths=np.array([*map(len, values)]),
        labels=[label for _, label in sequences if label is not None] if labelled else None,
        feature_names=dimension_names(values[0]),
        groups=None,
        spans=None,
    )


def dimension_names(values: npt.NDArray[np.float64]) -> list[str]:
    """Return the feature names, (d,), of a sequence of shape (t, d)."""
    return [f"dim_{number}" for number in range(values.shape[1])]

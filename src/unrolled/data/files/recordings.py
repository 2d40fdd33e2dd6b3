"""Labelled recordings of any length, before padding, filling and splitting."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import torch

from unrolled.contracts import Sequences
from unrolled.data.files.piece import steps_of_rows
from unrolled.data.files.tabular import shown
from unrolled.data.files.words import Words, different
from unrolled.errors import DataError

NUM_COPIES = 8  # into which an array is divided to sort it with little memory


@dataclass(frozen=True)
class Recordings:
    """Sequences of one file; NaN marks a missing value.

    ids: name of each sequence, (n,).
    steps: features of all sequences, one after the other, (sum of lengths, d).
    lengths: steps of each sequence, >= 1, (n,).
    labels: class name of each sequence, (n,), or None if the file has no labels.
    feature_names: (d,).
    groups: group of each sequence, (n,), or None. A group stays in one split.
    spans: times of the first and the last step of each sequence in the unit of the file, (n, 2),
        or None.
    step_labels: class names of the steps of each sequence if labels may change within one, else
        None. `labels` then holds the most frequent class of each sequence.
    splits: train, val or test, as a column of the file assigns them, or None.
    """

    ids: Sequence[str]
    steps: npt.NDArray[np.float64]
    lengths: npt.NDArray[np.int64]
    labels: Sequence[str] | None
    feature_names: Sequence[str]
    groups: Sequence[str] | None
    spans: npt.NDArray[np.float64] | None
    step_labels: Sequence[Sequence[str]] | None = None
    splits: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def values(self) -> list[npt.NDArray[np.float64]]:
        """Views of the features of each sequence, n arrays (t_i, d)."""
        ends = self.lengths.cumsum().tolist()
        return [self.steps[start:end] for start, end in pairwise([0, *ends])]

    def sorted(self) -> "Recordings":
        """Return the recordings sorted by id, so that results do not depend on the file's order.

        Sequences without ids keep their order. The values may be sorted in their place, so these
        recordings cannot be used afterwards.
        """
        if isinstance(self.ids, Numbered) or all(map(str.__le__, self.ids, self.ids[1:])):
            return self
        rows = sorted(range(len(self)), key=self.ids.__getitem__)
        if (self.lengths == self.lengths[0]).all() and self.steps.flags.writeable:
            return self._of(rows, _sorted_in_place(self.steps, rows))
        return self.take(rows)

    def take(self, rows: Sequence[int]) -> "Recordings":
        """Return the recordings of these rows, in that order."""
        return self._of(rows, steps_of_rows(self.steps, self.lengths, rows))

    def _of(self, rows: Sequence[int], steps: npt.NDArray[np.float64]) -> "Recordings":
        """Return the recordings of these rows, which have these steps."""

        def of(column: Sequence[Any] | None) -> Any:
            if isinstance(column, Words):
                return column.take(rows)
            return None if column is None else [column[row] for row in rows]

        return Recordings(
            ids=of(self.ids),
            steps=steps,
            lengths=self.lengths[rows],
            labels=of(self.labels),
            feature_names=self.feature_names,
            groups=of(self.groups),
            spans=None if self.spans is None else self.spans[rows],
            step_labels=of(self.step_labels),
            splits=of(self.splits),
        )

    def every_label(self) -> set[str]:
        """Return all class names that occur, including labels of single steps."""
        steps = () if self.step_labels is None else (set(some) for some in self.step_labels)
        return {str(name) for name in different(self.labels or ()).union(*steps)}

    def refuse_missing(self, path: Path, *, first_step: int) -> None:
        """Check that no value is missing.

        path: for the message.
        first_step: position of the first step of these recordings in their sequence.

        Raises:
            DataError: a value is missing. The message names sequence, step and feature.
        """
        if not has_nan(self.steps):
            return
        row, feature = np.argwhere(np.isnan(self.steps))[0]
        ends = self.lengths.cumsum()
        sequence = int(np.searchsorted(ends, row, side="right"))
        step = first_step + row - (ends[sequence] - self.lengths[sequence])
        raise DataError(
            f"{path}, sequence {self.ids[sequence]!r}, step {step}, feature "
            f"{self.feature_names[feature]!r}: the value is missing; to fill missing values, type "
            f"data.missing=forward (or mean, mask)"
        )

    def as_sequences(self, class_names: Sequence[str], *, first_id: int) -> Sequences:
        """Return padded tensors.

        class_names: every label is one of them. y holds its index, or 0 without labels.
        first_id: id of the first sequence. The others count up from it.
        """
        number_of = {name: number for number, name in enumerate(class_names)}
        steps, lengths = self.steps, self.lengths
        if (lengths == lengths[0]).all():
            padded = steps.reshape(len(self), -1, len(self.feature_names))
        else:
            padded = np.zeros((len(self), lengths.max(), len(self.feature_names)))
            padded[np.arange(lengths.max()) < lengths[:, None]] = steps
        x = torch.from_numpy(padded)
        step_y = None
        if self.step_labels is not None:
            step_y = torch.zeros(x.shape[:2], dtype=torch.long)
            for row, names in enumerate(self.step_labels):
                step_y[row, : len(names)] = torch.tensor([number_of[name] for name in names])
        return Sequences(
            x=x,
            lengths=torch.from_numpy(lengths),
            y=torch.from_numpy(_numbers(self.labels, number_of, num=len(self))),
            ids=torch.arange(first_id, first_id + len(self)),
            step_y=step_y,
        )


def _sorted_in_place(
    steps: npt.NDArray[np.float64], rows: Sequence[int]
) -> npt.NDArray[np.float64]:
    """Return the steps of sequences of equal length in another order, some columns at a time.

    steps: of all sequences, (n t, d).
    """
    flat = steps.reshape(len(rows), -1)  # a view
    width = -(-flat.shape[1] // NUM_COPIES)
    for start in range(0, flat.shape[1], width):
        columns = flat[:, start : start + width]
        columns[:] = columns[rows]
    return flat.reshape(steps.shape)


def _numbers(
    labels: Sequence[str] | None, number_of: Mapping[str, int], *, num: int
) -> npt.NDArray[np.int64]:
    """Return the number of each label, or num zeros without labels."""
    if not labels:
        return np.zeros(num, dtype=np.int64)
    if isinstance(labels, Words):  # a name that no row has may be unknown
        return np.array([number_of.get(name, -1) for name in labels.names])[labels.codes]
    return np.array([number_of[name] for name in labels])


def has_nan(values: npt.NDArray[np.float64]) -> bool:
    """Return whether a value is NaN, without a copy."""
    return bool(values.size) and bool(np.isnan(values.min()))


def class_names_of(labels: Collection[str], *, path: str) -> list[str]:
    """Return the classes in order: numerically if all are numbers, else alphabetically.

    Raises:
        DataError: there are fewer than two classes.
    """
    names = different(labels)
    if len(names) < 2:
        raise DataError(f"{path}: need at least two classes, found only {shown(names)}")
    try:
        return sorted(names, key=lambda name: (float(name), name))
    except ValueError:
        return sorted(names)


class Numbered(Sequence[str]):
    """Numbers as names of sequences without ids, for example 07; each is made when it is needed.

    numbers: of the sequences.
    width: digits of a name; shorter numbers get zeros in front.
    """

    def __init__(self, numbers: range, *, width: int) -> None:
        self.numbers = numbers
        self.width = width

    @classmethod
    def up_to(cls, num: int) -> "Numbered":
        """Return the names of num sequences, all with as many digits."""
        return cls(range(num), width=len(str(num - 1)))

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> "Numbered": ...
    def __getitem__(self, index: int | slice) -> "str | Numbered":
        if isinstance(index, slice):
            return Numbered(self.numbers[index], width=self.width)
        return f"{self.numbers[index]:0{self.width}d}"

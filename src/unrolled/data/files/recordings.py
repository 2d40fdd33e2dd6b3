"""Labelled recordings of any length, before padding, filling and splitting."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from unrolled.contracts import Sequences
from unrolled.data.files.tabular import shown
from unrolled.errors import DataError


@dataclass(frozen=True)
class Recordings:
    """Sequences of one file; NaN marks a missing value.

    ids: name of each sequence, (n,).
    values: features, n arrays of shape (t_i, d), float64.
    labels: class name of each sequence, (n,), or None if the file has no labels.
    feature_names: (d,).
    groups: group of each sequence, (n,), or None. A group stays in one split.
    spans: times of the first and the last step of each sequence, n pairs in the unit of the file,
        or None.
    step_labels: class names of the steps of each sequence if labels may change within one, else
        None. `labels` then holds the most frequent class of each sequence.
    splits: train, val or test, as a column of the file assigns them, or None.
    """

    ids: Sequence[str]
    values: Sequence[npt.NDArray[np.float64]]
    labels: Sequence[str] | None
    feature_names: Sequence[str]
    groups: Sequence[str] | None
    spans: Sequence[tuple[float, float]] | None
    step_labels: Sequence[Sequence[str]] | None = None
    splits: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def sorted(self) -> "Recordings":
        """Return the recordings sorted by id, so that results do not depend on the file's order."""
        if all(map(str.__le__, self.ids, self.ids[1:])):
            return self
        return self.take(sorted(range(len(self)), key=self.ids.__getitem__))

    def take(self, rows: Sequence[int]) -> "Recordings":
        """Return the recordings of these rows, in that order."""

        def of(column: Sequence[Any] | None) -> Any:
            return None if column is None else [column[row] for row in rows]

        return Recordings(
            ids=of(self.ids),
            values=of(self.values),
            labels=of(self.labels),
            feature_names=self.feature_names,
            groups=of(self.groups),
            spans=of(self.spans),
            step_labels=of(self.step_labels),
            splits=of(self.splits),
        )

    def every_label(self) -> set[str]:
        """Return all class names that occur, including labels of single steps."""
        steps = () if self.step_labels is None else (set(some) for some in self.step_labels)
        return {str(name) for name in set(self.labels or ()).union(*steps)}

    def refuse_missing(self, path: Path, *, first_step: int) -> None:
        """Check that no value is missing.

        path: for the message.
        first_step: position of the first step of these recordings in their sequence.

        Raises:
            DataError: a value is missing. The message names sequence, step and feature.
        """
        if not has_nan(np.concatenate(self.values)):
            return
        for name, value in zip(self.ids, self.values, strict=True):
            if has_nan(value):
                missing = np.isnan(value)
                step, feature = np.argwhere(missing)[0]
                raise DataError(
                    f"{path}, sequence {name!r}, step {first_step + step}, feature "
                    f"{self.feature_names[feature]!r}: the value is missing; to fill missing "
                    f"values, type data.missing=forward (or mean, mask)"
                )

    def as_sequences(self, class_names: Sequence[str], *, first_id: int) -> Sequences:
        """Return padded tensors.

        class_names: every label is one of them. y holds its index, or 0 without labels.
        first_id: id of the first sequence. The others count up from it.
        """
        number_of = {name: number for number, name in enumerate(class_names)}
        lengths = np.array([len(value) for value in self.values])
        steps = np.concatenate(self.values)
        if (lengths == lengths[0]).all():
            padded = steps.reshape(len(self), -1, len(self.feature_names))
        else:
            padded = np.zeros((len(self), lengths.max(), len(self.feature_names)))
            padded[np.arange(lengths.max()) < lengths[:, None]] = steps
        x = torch.from_numpy(padded)
        labels = [number_of[name] for name in self.labels] if self.labels else [0] * len(self)
        step_y = None
        if self.step_labels is not None:
            step_y = torch.zeros(x.shape[:2], dtype=torch.long)
            for row, names in enumerate(self.step_labels):
                step_y[row, : len(names)] = torch.tensor([number_of[name] for name in names])
        return Sequences(
            x=x,
            lengths=torch.from_numpy(lengths),
            y=torch.from_numpy(np.array(labels)),
            ids=torch.arange(first_id, first_id + len(self)),
            step_y=step_y,
        )


def has_nan(values: npt.NDArray[np.float64]) -> bool:
    """Return whether a value is NaN, without a copy."""
    return bool(values.size) and bool(np.isnan(values.min()))


def class_names_of(labels: Iterable[str], *, path: str) -> list[str]:
    """Return the classes in order: numerically if all are numbers, else alphabetically.

    Raises:
        DataError: there are fewer than two classes.
    """
    names = set(labels)
    if len(names) < 2:
        raise DataError(f"{path}: need at least two classes, found only {shown(names)}")
    try:
        return sorted(names, key=lambda name: (float(name), name))
    except ValueError:
        return sorted(names)


def numbered(num: int) -> list[str]:
    """Return zero-padded numbers as names for sequences without ids, for example 07."""
    width = len(str(num - 1))
    return [f"{number:0{width}d}" for number in range(num)]

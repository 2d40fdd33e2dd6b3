"""Training, validation and test set: what the source does not provide is held out."""

from collections.abc import Callable, Sized
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from jaxtyping import Int
from torch import Tensor

from unrolled.contracts import Sequences, SourceData
from unrolled.data.selection import Selection
from unrolled.data.splits import FOLD_SPLITS, fold_out, hold_out, largest_num_folds
from unrolled.errors import ConfigError
from unrolled.small_recipe import SMALL, TEST_SIZE, usual_val_size

Part = TypeVar("Part", bound=Sized)
Changed = TypeVar("Changed", bound=Sized)


@dataclass(frozen=True)
class Parts(Generic[Part]):
    """The three parts; val and test may be missing."""

    train: Part
    val: Part | None
    test: Part | None

    def sizes(self) -> dict[str, int]:
        """Return the number of sequences in each part."""
        parts = {"train": self.train, "val": self.val, "test": self.test}
        return {name: 0 if part is None else len(part) for name, part in parts.items()}

    def changed(self, change: Callable[[Part], Changed]) -> "Parts[Changed]":
        """Return the parts, each changed by itself."""
        return Parts(
            train=change(self.train),
            val=None if self.val is None else change(self.val),
            test=None if self.test is None else change(self.test),
        )


@dataclass(frozen=True)
class Rows:
    """Rows of the training sequences of a source by part; None if the source gives the part."""

    train: Int[Tensor, " n"]
    val: Int[Tensor, " v"] | None
    test: Int[Tensor, " m"] | None

    def select(self, data: SourceData) -> Parts[Selection]:
        """Return the raw sequences of each part."""

        def part(rows: Tensor | None, given: Sequences | None) -> Selection | None:
            if rows is not None:
                return Selection(data.train, rows)
            return None if given is None else Selection.of_all(given)

        return Parts(
            train=Selection(data.train, self.train),
            val=part(self.val, data.val),
            test=part(self.test, data.test),
        )


@dataclass(frozen=True, kw_only=True)
class Division:
    """How validation and test set are held out if the source does not provide them.

    The fields are the keys of the same names in conf/data/_module.yaml.

    split: stratified, random, group, time or given; see `hold_out`.
    split_seed: seed of the split, >= 0; independent of the seed of the run.
    val_size: size of the validation set: a number of sequences >= 1, a fraction < 1, or 0 for none.
        None: computed from the number of sequences outside the test set; see `usual_val_size`.
    test_size: the same for the test set, which is held out first. None: a fifth of the sequences,
        or folds if there are few; see `tests_on_folds`.
    fold: None to hold out val_size. Otherwise the validation set is this one of num_folds equal
        folds of the sequences outside the test set, 0 <= fold < num_folds.
    test_fold: None to hold out test_size. Otherwise the test set is this one of num_folds equal
        folds of the training sequences, 0 <= test_fold < num_folds, and a test set of the source
        is not used. `all` holds out no test set; the trainings of the folds have numbers.
    num_folds: >= 2.

    Raises:
        ConfigError: a value is out of its range.
    """

    split: str
    split_seed: int
    val_size: float | None
    test_size: float | None
    fold: int | None
    test_fold: int | str | None
    num_folds: int

    def __post_init__(self) -> None:
        if (self.val_size or 0) < 0 or (self.test_size or 0) < 0:
            raise ConfigError(
                "need data.val_size >= 0 and data.test_size >= 0, "
                f"got {self.val_size} and {self.test_size}"
            )
        for key, fold in (("fold", self.fold), ("test_fold", self.test_fold)):
            if isinstance(fold, int) and not 0 <= fold < self.num_folds:
                raise ConfigError(
                    f"need 0 <= data.{key} < data.num_folds, "
                    f"got data.{key}={fold} of {self.num_folds}"
                )

    def assign(self, data: SourceData) -> "Rows":
        """Return which training sequences of the source are used for which part.

        Raises:
            ConfigError: a setting does not fit the data.
            DataError: a part would be empty.
        """
        rows, val, test = torch.arange(len(data.train)), None, None
        if isinstance(self.test_fold, int):
            rows, test = self._fold_out(data, rows, self.test_fold)
        elif data.test is None and (size := self._test_size(data)):
            rows, test = self._hold_out(data, rows, size)
        if self.fold is not None:
            if data.val is not None:
                raise ConfigError(
                    f"data.fold={self.fold}: this source has a validation set of its own; "
                    "leave data.fold=null"
                )
            rows, val = self._fold_out(data, rows, self.fold)
        elif data.val is None and (size := self._val_size(len(rows))):
            rows, val = self._hold_out(data, rows, size)
        return Rows(rows, val, test)

    def num_possible_folds(self, data: SourceData) -> int:
        """Return num_folds, or the largest number >= 2 that the training sequences allow."""
        largest = largest_num_folds(data.train.y, split=self.split, groups=data.groups)
        return self.num_folds if largest < 2 else min(self.num_folds, largest)

    def tests_on_folds(self, data: SourceData) -> bool:
        """Return whether test_size=None asks for a training per fold, as test_fold=all does."""
        return (
            self.test_size is None
            and data.test is None
            and self.test_fold is None
            and self.fold is None
            and self.split in FOLD_SPLITS
            and len(data.train) < SMALL
        )

    def _test_size(self, data: SourceData) -> float:
        if self.test_fold is not None or self.tests_on_folds(data):
            return 0
        return TEST_SIZE if self.test_size is None else self.test_size

    def _val_size(self, num_sequences: int) -> float:
        return usual_val_size(num_sequences) if self.val_size is None else self.val_size

    def _hold_out(
        self, data: SourceData, rows: Int[Tensor, " n"], size: float
    ) -> tuple[Int[Tensor, " kept"], Int[Tensor, " held"]]:
        """Return which of these rows of the training part stay, and which are held out."""
        kept, held = hold_out(
            data.train.y[rows],
            size=size,
            split=self.split,
            seed=self.split_seed,
            groups=None if data.groups is None else data.groups[rows],
            spans=None if data.spans is None else data.spans[rows],
        )
        return rows[kept], rows[held]

    def _fold_out(
        self, data: SourceData, rows: Int[Tensor, " n"], fold: int
    ) -> tuple[Int[Tensor, " kept"], Int[Tensor, " held"]]:
        """Return which of these rows of the training part stay, and which are the fold."""
        kept, held = fold_out(
            data.train.y[rows],
            fold=fold,
            num_folds=self.num_folds,
            split=self.split,
            seed=self.split_seed,
            groups=None if data.groups is None else data.groups[rows],
        )
        return rows[kept], rows[held]


def baselines(parts: Parts[Sequences], data: SourceData) -> dict[str, float]:
    """Return the test accuracies of classifiers that need no training, by name."""
    if parts.test is None:
        return dict(data.baselines)
    most_frequent = int(torch.bincount(parts.train.y).argmax())
    share = (parts.test.y == most_frequent).double().mean()
    return {"majority class": float(share), **data.baselines}

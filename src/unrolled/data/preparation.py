"""From what a source gives to what a network reads: checked, laid out, split, standardised."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int
from torch import Tensor

from unrolled.contracts import Sequences, SourceData
from unrolled.data.layouts import lay_out, require_equal_lengths
from unrolled.data.missing import Filling
from unrolled.data.noise_tail import append_noise
from unrolled.data.sanity_checks import check_sequences
from unrolled.data.splits import fold_out, hold_out
from unrolled.data.standardization import Standardization
from unrolled.data.truncation import truncate
from unrolled.data.windows import Windows
from unrolled.errors import ConfigError, DataError
from unrolled.seeding import mix


@dataclass(frozen=True)
class Parts:
    """The three parts; val and test may be missing."""

    train: Sequences
    val: Sequences | None
    test: Sequences | None

    def sizes(self) -> dict[str, int]:
        """Return the number of sequences in each part."""
        parts = {"train": self.train, "val": self.val, "test": self.test}
        return {name: 0 if part is None else len(part) for name, part in parts.items()}

    def changed(self, change: Callable[[Sequences], Sequences]) -> "Parts":
        """Return the parts, each changed by itself."""
        return Parts(
            train=change(self.train),
            val=None if self.val is None else change(self.val),
            test=None if self.test is None else change(self.test),
        )


@dataclass(frozen=True)
class Learnt:
    """What the training part taught; new sequences are treated as it was.

    background: name of the class of windows in which nothing happens, or None; see `Windows`.
    """

    filling: Filling
    standardization: Standardization
    background: str | None


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """How the sequences of a source are treated before they are cut into batches.

    The settings are those of `SequenceDataModule`.

    Raises:
        ConfigError: one is out of its range.
    """

    layout: str
    permutation: int | str
    pixels_per_step: int
    split: str
    split_seed: int
    val_size: float
    test_size: float
    fold: int | None
    num_folds: int
    max_length: int | None
    truncate: str
    standardize: str
    noise_steps: int
    noise_seed: int
    window: Windows

    def __post_init__(self) -> None:
        if self.val_size < 0 or self.test_size < 0:
            raise ConfigError(
                "need data.val_size >= 0 and data.test_size >= 0, "
                f"got {self.val_size} and {self.test_size}"
            )
        if self.fold is not None and not 0 <= self.fold < self.num_folds:
            raise ConfigError(
                "need 0 <= data.fold < data.num_folds, "
                f"got data.fold={self.fold} of {self.num_folds}"
            )

    def divide(self, data: SourceData) -> Parts:
        """Return the parts, laid out in time; what the source does not give is held out of train.

        Raises:
            ConfigError: a setting does not fit the data.
            DataError: a part would be empty, or lengths do not allow the layout.
        """
        data = self._laid_out(data)
        rows, val, test = torch.arange(len(data.train)), data.val, data.test
        if test is None and self.test_size:
            rows, held = self._hold_out(data, rows, self.test_size)
            test = data.train.take(held)
        if self.fold is not None:
            if val is not None:
                raise ConfigError(
                    f"data.fold={self.fold}: this source has a val part of its own; "
                    "leave data.fold=null"
                )
            rows, held = self._fold_out(data, rows, self.fold)
            val = data.train.take(held)
        elif val is None and self.val_size:
            rows, held = self._hold_out(data, rows, self.val_size)
            val = data.train.take(held)
        train = data.train if len(rows) == len(data.train) else data.train.take(rows)
        return Parts(train, val, test)

    def _laid_out(self, data: SourceData) -> SourceData:
        given = Parts(data.train, data.val, data.test).changed(self._lay_out)
        return replace(data, train=given.train, val=given.val, test=given.test)

    def _lay_out(self, part: Sequences) -> Sequences:
        if part.step_y is not None and (not self.window.labels_may_change or self.layout != "rows"):
            raise DataError(
                "labels change within sequences; data.window.size=STEPS data.window.label=last, "
                "majority or any (with data.layout=rows) cuts windows that have one"
            )
        part = truncate(part, max_length=self.max_length, end=self.truncate)
        num_steps = part.x.shape[1]
        require_equal_lengths(part.lengths, layout=self.layout, num_steps=num_steps)
        x = lay_out(
            part.x,
            layout=self.layout,
            permutation_name=self.permutation,
            pixels_per_step=self.pixels_per_step,
        )
        return replace(part, x=x, lengths=part.lengths - num_steps + x.shape[1])

    def learn(
        self,
        train: Sequences,
        *,
        missing: str,
        filling: Filling | None,
        standardization: Standardization | None,
        background: str | None,
        class_names: Sequence[str],
    ) -> Learnt:
        """Return what a training part teaches, beyond what is known already.

        missing: how its missing values are filled.
        class_names: (c,).
        """
        if filling is None:
            filling = Filling.fit(train.x, train.lengths, mode=missing)
        if standardization is None:
            standardization = Standardization.fit(
                filling(train.x), train.lengths, mode=self.standardize
            )
        if background is None:
            background = self.window.background_of(train, class_names)
        return Learnt(filling, standardization, background)

    def finish(self, parts: Parts, learnt: Learnt, *, class_names: Sequence[str]) -> Parts:
        """Return the parts: filled, standardised, cut into windows, with noise behind each."""
        names = list(class_names)
        background = None if learnt.background is None else names.index(learnt.background)

        def treat(part: Sequences) -> Sequences:
            treated = replace(part, x=learnt.standardization(learnt.filling(part.x)))
            return self.window.cut(treated, background=background)

        treated = parts.changed(treat)
        return Parts(
            train=self._noisy(treated.train, number=0),
            val=None if treated.val is None else self._noisy(treated.val, number=1),
            test=None if treated.test is None else self._noisy(treated.test, number=2),
        )

    def _noisy(self, part: Sequences, *, number: int) -> Sequences:
        generator = torch.Generator().manual_seed(mix(self.noise_seed, number))
        return append_noise(part, num_steps=self.noise_steps, generator=generator)

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
            starts=None if data.starts is None else data.starts[rows],
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


def check_source(data: SourceData) -> None:
    """Refuse data on which no honest training is possible.

    Raises:
        DataError: names part, row and column.
    """
    for name, part in data.parts().items():
        check_sequences(
            part,
            part_name=name,
            num_classes=len(data.class_names),
            missing_allowed=data.missing != "refuse",
        )
        if part.x.shape[2] != data.train.x.shape[2]:
            raise DataError(
                f"the {name} part has {part.x.shape[2]} features per step, "
                f"the train part {data.train.x.shape[2]}"
            )


def floors(parts: Parts, data: SourceData) -> dict[str, float]:
    """Return the test accuracies of answers that need no training, by name."""
    if parts.test is None:
        return dict(data.baselines)
    most_frequent = int(torch.bincount(parts.train.y).argmax())
    share = (parts.test.y == most_frequent).double().mean()
    return {"always the most frequent class": float(share), **data.baselines}


def fingerprint(data: SourceData) -> str:
    """Return the SHA-256 of all tensors and class names, as the source gives them."""
    digest = hashlib.sha256(repr(list(data.class_names)).encode())
    for name, part in data.parts().items():
        digest.update(name.encode())
        steps = () if part.step_y is None else (part.step_y,)
        for tensor in (part.x, part.lengths, part.y, *steps):
            digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
            digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()

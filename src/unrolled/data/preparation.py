"""From the raw sequences of a source to what a network reads: layout, split, preprocessing."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unrolled.contracts import Sequences, SourceData
from unrolled.data.channels import Channels, ChannelSettings
from unrolled.data.layouts import lay_out, require_equal_lengths
from unrolled.data.missing import Filling
from unrolled.data.noise_tail import append_noise
from unrolled.data.ranges import Ranges
from unrolled.data.splits import FOLD_SPLITS, fold_out, hold_out, largest_num_folds
from unrolled.data.standardization import Standardization
from unrolled.data.truncation import truncate
from unrolled.data.windows import Windows
from unrolled.errors import ConfigError, DataError
from unrolled.seeding import mix
from unrolled.small_recipe import SMALL, TEST_SIZE, usual_val_size


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
class Rows:
    """Rows of the training sequences of a source by part; None if the source gives the part."""

    train: Int[Tensor, " n"]
    val: Int[Tensor, " v"] | None
    test: Int[Tensor, " m"] | None


@dataclass(frozen=True)
class Fitted:
    """What was fitted on the training set; new sequences are prepared with the same values.

    class_names: (c,).
    schema: plain values with which the source reads further files, or None; see `SourceData`.
    filling: how missing values are filled.
    standardization: mean and scale of the features.
    ranges: smallest and largest value of the features, or None for a run that does not store them.
    background: name of the class of windows in which nothing happens, or None; see `Windows`.
    channels: which channels are added to the standardised features, or None for none.
    """

    class_names: list[str]
    schema: dict[str, Any] | None
    filling: Filling
    standardization: Standardization
    ranges: Ranges | None
    background: str | None
    channels: Channels | None

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for preprocessing.json."""
        return {
            "class_names": self.class_names,
            "schema": self.schema,
            "window_background": self.background,
            "filling": self.filling.to_plain(),
            "standardization": self.standardization.to_plain(),
            "ranges": None if self.ranges is None else self.ranges.to_plain(),
            "channels": None if self.channels is None else self.channels.to_plain(),
        }

    @classmethod
    def from_plain(cls, values: dict[str, Any]) -> "Fitted":
        """Return the object from which `to_plain` made these values; other keys are ignored."""
        return cls(
            class_names=values["class_names"],
            schema=values["schema"],
            filling=Filling.from_plain(values["filling"]),
            standardization=Standardization.from_plain(values["standardization"]),
            ranges=Ranges.from_plain(values["ranges"]) if values.get("ranges") else None,
            background=values["window_background"],
            channels=None
            if values["channels"] is None
            else Channels.from_plain(values["channels"]),
        )

    def scale(self, x: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d2"]:
        """Return x filled and standardised; d2 is 2 d if masks are added, else d."""
        return self.standardization(self.filling(x))


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """How the sequences of a source become the input of a network.

    The fields are the keys of the same names in conf/data/_module.yaml.

    layout: rows, columns, pixels or permuted; see `lay_out`.
    permutation: the order of the pixels for layout=permuted; see `layouts.permutation`.
    pixels_per_step: features per step for layout=pixels or permuted, >= 1; see `lay_out`.
    split: how validation and test set are held out if the source does not provide them:
        stratified, random, group, time or given; see `hold_out`.
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
    max_length: steps that are kept of a longer sequence, >= 1, or None for all.
    truncate: which end of a longer sequence is cut off: head or tail.
    standardize: none, global or feature; see `Standardization.fit`.
    noise_steps: steps of noise that are appended to every sequence, >= 0; see `append_noise`.
    noise_seed: seed of the noise, >= 0.
    channels: which channels are added to the features of each sequence or window.
    window: how recordings are cut into windows. The split comes first, so that all windows of a
        recording are in the same set.

    Raises:
        ConfigError: a value is out of its range.
    """

    layout: str
    permutation: int | str
    pixels_per_step: int
    split: str
    split_seed: int
    val_size: float | None
    test_size: float | None
    fold: int | None
    test_fold: int | str | None
    num_folds: int
    max_length: int | None
    truncate: str
    standardize: str
    noise_steps: int
    noise_seed: int
    channels: ChannelSettings
    window: Windows

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

    def assign(self, data: SourceData) -> Rows:
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

    def divide(self, data: SourceData, rows: Rows) -> Parts:
        """Return the parts, laid out in time, each padded to its own longest sequence.

        Raises:
            DataError: lengths do not allow the layout, or labels change within sequences.
        """
        every, train = len(rows.train) == len(data.train), data.train
        parts = Parts(
            train=train if every else train.take(rows.train),
            val=data.val if rows.val is None else train.take(rows.val),
            test=data.test if rows.test is None else train.take(rows.test),
        )
        # the padding of a test sequence must not reach the sums over the training set
        return parts.changed(lambda part: self._lay_out(part).trimmed())

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

    def _lay_out(self, part: Sequences) -> Sequences:
        if part.step_y is not None and (not self.window.labels_may_change or self.layout != "rows"):
            raise DataError(
                "labels change within sequences; data.window.size=STEPS data.window.label=last, "
                "majority or any (with data.layout=rows) cuts windows that have one"
            )
        part = self._truncate(part)
        num_steps = part.x.shape[1]
        require_equal_lengths(part.lengths, layout=self.layout, num_steps=num_steps)
        x = lay_out(
            part.x,
            layout=self.layout,
            permutation_name=self.permutation,
            pixels_per_step=self.pixels_per_step,
        )
        return replace(part, x=x, lengths=part.lengths - num_steps + x.shape[1])

    def fit(self, train: Sequences, data: SourceData) -> Fitted:
        """Return the values that are fitted on a training set that is laid out.

        data: the source's data, with class names, schema and the mode of filling.
        """
        class_names = list(data.class_names)
        filling = Filling.fit(train.x, train.lengths, mode=data.missing)
        filled = filling(train.x)
        fitted = Fitted(
            class_names=class_names,
            schema=data.schema,
            filling=filling,
            standardization=Standardization.fit(filled, train.lengths, mode=self.standardize),
            ranges=Ranges.fit(filled[:, :, : train.x.shape[2]], train.lengths),
            background=self.window.background_of(train, class_names),
            channels=None,
        )
        if not self.channels.adds_any:
            return fitted
        cut = self._scale_and_cut(train, fitted)
        channels = Channels.fit(
            cut.x,
            cut.lengths,
            settings=self.channels,
            num_masks=cut.x.shape[2] - train.x.shape[2],
        )
        return replace(fitted, channels=channels)

    def finish(self, parts: Parts, fitted: Fitted) -> Parts:
        """Return the sets filled, standardised, cut into windows and with noise appended."""
        done = parts.changed(lambda part: self._scale_and_cut(part, fitted))
        return Parts(
            train=self._noisy(done.train, number=0),
            val=None if done.val is None else self._noisy(done.val, number=1),
            test=None if done.test is None else self._noisy(done.test, number=2),
        )

    def redrawn(
        self, epoch: int, *, redraw: Callable[[int], Sequences], fitted: Fitted
    ) -> Sequences:
        """Return the training set of an epoch, prepared like the first one; see `SourceData`."""
        prepared = self._scale_and_cut(self._lay_out(redraw(epoch)), fitted)
        return self._noisy(prepared, number=0)

    def apply(self, sequences: Sequences, fitted: Fitted) -> Sequences:
        """Return new sequences truncated, filled, standardised and cut into windows.

        sequences: laid out in time already.
        """
        return self._scale_and_cut(self._truncate(sequences), fitted)

    def _truncate(self, sequences: Sequences) -> Sequences:
        return truncate(sequences, max_length=self.max_length, end=self.truncate)

    def _scale_and_cut(self, sequences: Sequences, fitted: Fitted) -> Sequences:
        background = (
            None if fitted.background is None else fitted.class_names.index(fitted.background)
        )
        scaled = replace(sequences, x=fitted.scale(sequences.x))
        cut = self.window.cut(scaled, background=background)
        if fitted.channels is None:
            return cut
        return replace(cut, x=fitted.channels(cut.x, cut.lengths))

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


def baselines(parts: Parts, data: SourceData) -> dict[str, float]:
    """Return the test accuracies of classifiers that need no training, by name."""
    if parts.test is None:
        return dict(data.baselines)
    most_frequent = int(torch.bincount(parts.train.y).argmax())
    share = (parts.test.y == most_frequent).double().mean()
    return {"majority class": float(share), **data.baselines}


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

"""The data of a run: a source, laid out in time, split, checked, standardised, cut into batches."""

import hashlib
import logging
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Int
from lightning import LightningDataModule
from torch import Tensor

from unrolled.contracts import Batch, Sequences, Source, SourceData
from unrolled.data.batches import Batches
from unrolled.data.inspection import check_sequences
from unrolled.data.layouts import lay_out, require_equal_lengths
from unrolled.data.missing import Filling
from unrolled.data.noise_tail import append_noise
from unrolled.data.splits import fold_out, hold_out
from unrolled.data.standardization import Standardization
from unrolled.data.truncation import truncate
from unrolled.errors import ConfigError, DataError
from unrolled.seeding import mix

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parts:
    """The three parts, standardised; val and test may be missing."""

    train: Sequences
    val: Sequences | None
    test: Sequences | None

    def sizes(self) -> dict[str, int]:
        """Return the number of sequences in each part."""
        parts = {"train": self.train, "val": self.val, "test": self.test}
        return {name: 0 if part is None else len(part) for name, part in parts.items()}


class SequenceDataModule(LightningDataModule):
    """Train, val and test batches of one source.

    source: where the sequences come from.
    layout: rows, columns, pixels or permuted; see `lay_out`.
    permutation: the order of the pixels where layout is permuted; see `layouts.permutation`.
    split: how parts that the source does not give are held out of its training part:
        stratified, random, group or time; see `hold_out`.
    split_seed: of the split, >= 0; the run's seed does not change what is held out.
    val_size: sequences held out to choose by: a number >= 1, a fraction < 1, or 0 for none.
    test_size: the same for a test part, held out first; used where the source has none.
    fold: None to hold out val_size; else val is this part of num_folds equal ones of what is not
        test, 0 <= fold < num_folds.
    num_folds: >= 2.
    max_length: steps that are kept of a longer sequence, >= 1; None for all.
    truncate: which end of it is cut off: head or tail.
    standardize: none, global or feature; see `Standardization.fit`.
    noise_steps: steps of noise behind every sequence, >= 0; see `append_noise`.
    noise_seed: of that noise, >= 0.
    batch_size: sequences in a training batch, >= 1.
    eval_batch_size: sequences in a batch of validation, test and prediction, >= 1.
    shuffle: whether the order of training changes in each epoch.
    bucket_batches: where lengths differ, sequences of so many training batches are sorted by
        length before they are cut into batches, so that little is padding; 1 for none.
    curriculum_epochs: so many epochs begin with the short sequences, >= 0; see `Batches`.
    device_share: a part is kept on the GPU if it takes at most this share of the memory that is
        free there, 0 <= device_share <= 1; its batches are copied there one by one otherwise.
    seed: of the order, >= 0.
    """

    def __init__(
        self,
        *,
        source: Source,
        layout: str,
        permutation: int | str,
        split: str,
        split_seed: int,
        val_size: float,
        test_size: float,
        fold: int | None,
        num_folds: int,
        max_length: int | None,
        truncate: str,
        standardize: str,
        noise_steps: int,
        noise_seed: int,
        batch_size: int,
        eval_batch_size: int,
        shuffle: bool,
        bucket_batches: int,
        curriculum_epochs: int,
        device_share: float,
        seed: int,
    ) -> None:
        super().__init__()
        if batch_size < 1 or eval_batch_size < 1:
            raise ConfigError(
                "need data.batch_size >= 1 and data.eval_batch_size >= 1, "
                f"got {batch_size} and {eval_batch_size}"
            )
        if val_size < 0 or test_size < 0:
            raise ConfigError(
                f"need data.val_size >= 0 and data.test_size >= 0, got {val_size} and {test_size}"
            )
        if fold is not None and not 0 <= fold < num_folds:
            raise ConfigError(
                f"need 0 <= data.fold < data.num_folds, got data.fold={fold} of {num_folds}"
            )
        self.source = source
        self.layout = layout
        self.permutation = permutation
        self.split = split
        self.split_seed = split_seed
        self.val_size = val_size
        self.test_size = test_size
        self.fold = fold
        self.num_folds = num_folds
        self.max_length = max_length
        self.truncate = truncate
        self.standardize = standardize
        self.noise_steps = noise_steps
        self.noise_seed = noise_seed
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.shuffle = shuffle
        self.bucket_batches = bucket_batches
        self.curriculum_epochs = curriculum_epochs
        self.device_share = device_share
        self.seed = seed
        self.filling: Filling | None = None
        self.standardization: Standardization | None = None
        self.reading: dict[str, Any] | None = None
        self.class_names: list[str] = []
        self.baselines: dict[str, float] = {}  # test accuracy of answers that need no training
        self.fingerprint = ""
        self._parts: Parts | None = None

    def prepare_data(self) -> None:
        """Let the source fetch what it needs; Lightning calls this once per machine."""
        self.source.prepare()

    def setup(self, stage: str | None = None) -> None:
        """Load, check, lay out, split, fill and standardise, once.

        `filling` and `standardization` are fitted to the training part, and the source learns how
        to read, unless `learnt_from` has set them beforehand.

        Raises:
            DataError: the data cannot be trained on; the message names part, row and column.
        """
        if self._parts is not None:
            return
        if self.reading is not None:
            self.source.read_as(self.reading)
        data = self.source.load()
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
        self.class_names = list(data.class_names)
        self.reading = data.reading
        self.fingerprint = _fingerprint(data)
        data = self._lay_out(data)
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
        if self.filling is None:
            self.filling = Filling.fit(train.x, train.lengths, mode=data.missing)
        filled = self.filling(train.x)
        if self.standardization is None:
            self.standardization = Standardization.fit(filled, train.lengths, mode=self.standardize)
        train = replace(train, x=self.standardization(filled))
        self._parts = Parts(
            train=self._noisy(train, number=0),
            val=None if val is None else self._noisy(self._prepared(val), number=1),
            test=None if test is None else self._noisy(self._prepared(test), number=2),
        )
        self.baselines = dict(data.baselines)
        if test is not None:
            most_frequent = int(torch.bincount(train.y).argmax())
            share = (test.y == most_frequent).double().mean()
            self.baselines = {"always the most frequent class": float(share), **self.baselines}

    def learnt(self) -> dict[str, Any]:
        """Return plain values: what new sequences need to be treated as these were."""
        assert self.filling is not None
        assert self.standardization is not None
        return {
            "num_features": self.num_features,
            "num_steps": self.num_steps,
            "class_names": self.class_names,
            "reading": self.reading,
            "filling": self.filling.as_plain(),
            "standardization": self.standardization.as_lists(),
        }

    def learnt_from(self, learnt: dict[str, Any]) -> None:
        """Treat the sequences as a run did that had learnt this; call it before `setup`."""
        self.reading = learnt.get("reading")
        self.filling = Filling.from_plain(learnt.get("filling"))
        self.standardization = Standardization.from_lists(learnt["standardization"])

    @property
    def parts(self) -> Parts:
        """The parts after `setup`."""
        assert self._parts is not None, "setup comes first"
        return self._parts

    @property
    def num_features(self) -> int:
        """Features per step (d)."""
        return self.parts.train.x.shape[2]

    @property
    def num_steps(self) -> int:
        """Steps of the longest sequence of any part (t)."""
        parts = (self.parts.train, self.parts.val, self.parts.test)
        return max(part.x.shape[1] for part in parts if part is not None)

    @property
    def num_classes(self) -> int:
        """Classes (c)."""
        return len(self.class_names)

    def train_dataloader(self) -> Batches:
        """Return the training batches, shuffled if `shuffle`."""
        return self._batches(self.parts.train, batch_size=self.batch_size, shuffle=self.shuffle)

    def val_dataloader(self) -> Batches | list[Batches]:
        """Return every validation sequence in order; nothing if there is no such part."""
        return self._evaluation_batches(self.parts.val)

    def test_dataloader(self) -> Batches | list[Batches]:
        """Return every test sequence in order; nothing if there is no such part."""
        return self._evaluation_batches(self.parts.test)

    def transfer_batch_to_device(
        self,
        batch: Batch,
        device: torch.device,
        dataloader_idx: int,
    ) -> Batch:
        """Return the batch on the device; a batch that is there already costs nothing."""
        if batch.x.device == device:
            return batch
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in batch))

    def _lay_out(self, data: SourceData) -> SourceData:
        def change(part: Sequences) -> Sequences:
            part = truncate(part, max_length=self.max_length, end=self.truncate)
            num_steps = part.x.shape[1]
            require_equal_lengths(part.lengths, layout=self.layout, num_steps=num_steps)
            x = lay_out(part.x, layout=self.layout, permutation_name=self.permutation)
            return replace(part, x=x, lengths=part.lengths - num_steps + x.shape[1])

        return replace(
            data,
            train=change(data.train),
            val=None if data.val is None else change(data.val),
            test=None if data.test is None else change(data.test),
        )

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
        )
        return rows[kept], rows[held]

    def _prepared(self, part: Sequences) -> Sequences:
        assert self.filling is not None
        assert self.standardization is not None
        return replace(part, x=self.standardization(self.filling(part.x)))

    def _noisy(self, part: Sequences, *, number: int) -> Sequences:
        generator = torch.Generator().manual_seed(mix(self.noise_seed, number))
        return append_noise(part, num_steps=self.noise_steps, generator=generator)

    def _batches(self, part: Sequences, *, batch_size: int, shuffle: bool) -> Batches:
        trainer = self.trainer
        device = torch.device("cpu") if trainer is None else trainer.strategy.root_device
        if device.type == "cuda":
            free_bytes, _ = torch.cuda.mem_get_info(device)
            if part.num_bytes > self.device_share * free_bytes:
                log.info("the data does not fit on the GPU beside the model: copied by batch")
                device = torch.device("cpu")
        return Batches(
            part.to(device),
            batch_size=batch_size,
            shuffle=shuffle,
            bucket_batches=self.bucket_batches,
            curriculum_epochs=self.curriculum_epochs,
            seed=self.seed,
            rank=0 if trainer is None else trainer.global_rank,
            world_size=1 if trainer is None else trainer.world_size,
        )

    def _evaluation_batches(self, part: Sequences | None) -> Batches | list[Batches]:
        if part is None:
            return []
        return self._batches(part, batch_size=self.eval_batch_size, shuffle=False)


def _fingerprint(data: SourceData) -> str:
    """Return the SHA-256 of all tensors and class names, as the source gives them."""
    digest = hashlib.sha256(repr(list(data.class_names)).encode())
    for name, part in data.parts().items():
        digest.update(name.encode())
        for tensor in (part.x, part.lengths, part.y):
            digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
            digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()

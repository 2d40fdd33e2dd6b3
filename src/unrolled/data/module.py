"""The data of a run: a source, laid out in time, split, checked, standardised, cut into batches."""

import hashlib
import logging
from dataclasses import dataclass, replace

import torch
from lightning import LightningDataModule

from unrolled.contracts import Batch, Sequences, Source, SourceData
from unrolled.data.batches import Batches
from unrolled.data.inspection import check_sequences
from unrolled.data.layouts import lay_out, require_equal_lengths
from unrolled.data.splits import fold_out, hold_out
from unrolled.data.standardization import Standardization
from unrolled.errors import ConfigError, DataError

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
        stratified or random.
    split_seed: of the split, >= 0; the run's seed does not change what is held out.
    val_size: sequences held out to choose by: a number >= 1, a fraction < 1, or 0 for none.
    test_size: the same for a test part, held out first; used where the source has none.
    fold: None to hold out val_size; else val is this part of num_folds equal ones of what is not
        test, 0 <= fold < num_folds.
    num_folds: >= 2.
    standardize: none, global or feature; see `Standardization.fit`.
    batch_size: sequences in a training batch, >= 1.
    eval_batch_size: sequences in a batch of validation, test and prediction, >= 1.
    shuffle: whether the order of training changes in each epoch.
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
        standardize: str,
        batch_size: int,
        eval_batch_size: int,
        shuffle: bool,
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
        self.standardize = standardize
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.shuffle = shuffle
        self.device_share = device_share
        self.seed = seed
        self.standardization: Standardization | None = None
        self.class_names: list[str] = []
        self.fingerprint = ""
        self._parts: Parts | None = None

    def prepare_data(self) -> None:
        """Let the source fetch what it needs; Lightning calls this once per machine."""
        self.source.prepare()

    def setup(self, stage: str | None = None) -> None:
        """Load, lay out, split, check and standardise, once.

        `standardization` is fitted to the training part unless it is set beforehand.

        Raises:
            DataError: the data cannot be trained on; the message names part, row and column.
        """
        if self._parts is not None:
            return
        data = self.source.load()
        for name, part in data.parts().items():
            check_sequences(part, part_name=name, num_classes=len(data.class_names))
            if part.x.shape[2] != data.train.x.shape[2]:
                raise DataError(
                    f"the {name} part has {part.x.shape[2]} features per step, "
                    f"the train part {data.train.x.shape[2]}"
                )
        self.class_names = list(data.class_names)
        self.fingerprint = _fingerprint(data)
        data = self._lay_out(data)
        train, test = data.train, data.test
        if test is None and self.test_size:
            train, test = self._hold_out(train, self.test_size)
        val = data.val
        if self.fold is not None:
            if val is not None:
                raise ConfigError(
                    f"data.fold={self.fold}: this source has a val part of its own; "
                    "leave data.fold=null"
                )
            train, val = self._fold_out(train, self.fold)
        elif val is None and self.val_size:
            train, val = self._hold_out(train, self.val_size)
        if self.standardization is None:
            self.standardization = Standardization.fit(
                train.x, train.lengths, mode=self.standardize
            )
        self._parts = Parts(
            train=self._standardized(train),
            val=None if val is None else self._standardized(val),
            test=None if test is None else self._standardized(test),
        )

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

    def _hold_out(self, sequences: Sequences, size: float) -> tuple[Sequences, Sequences]:
        kept, held = hold_out(sequences.y, size=size, split=self.split, seed=self.split_seed)
        return sequences.take(kept), sequences.take(held)

    def _fold_out(self, sequences: Sequences, fold: int) -> tuple[Sequences, Sequences]:
        kept, held = fold_out(
            sequences.y,
            fold=fold,
            num_folds=self.num_folds,
            split=self.split,
            seed=self.split_seed,
        )
        return sequences.take(kept), sequences.take(held)

    def _standardized(self, part: Sequences) -> Sequences:
        assert self.standardization is not None
        return replace(part, x=self.standardization(part.x))

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

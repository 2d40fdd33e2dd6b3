"""The data of a run: a source, laid out in time, split, checked, standardised, cut into batches."""

import logging
from typing import Any

import torch
from lightning import LightningDataModule

from unrolled.contracts import Batch, Sequences, Source
from unrolled.data.batches import Batches
from unrolled.data.missing import Filling
from unrolled.data.preparation import Parts, Preparation, check_source, fingerprint, floors
from unrolled.data.standardization import Standardization
from unrolled.data.windows import Windows
from unrolled.errors import ConfigError

log = logging.getLogger(__name__)


class SequenceDataModule(LightningDataModule):
    """Train, val and test batches of one source.

    source: where the sequences come from.
    layout: rows, columns, pixels or permuted; see `lay_out`.
    permutation: the order of the pixels where layout is permuted; see `layouts.permutation`.
    pixels_per_step: features of a step where layout is pixels or permuted, >= 1; see `lay_out`.
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
    window: how recordings are cut into windows after the split; a window is then what the other
        settings call a sequence, and a recording what the split does.
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
        pixels_per_step: int,
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
        window: Windows,
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
        self.source = source
        self.preparation = Preparation(
            layout=layout,
            permutation=permutation,
            pixels_per_step=pixels_per_step,
            split=split,
            split_seed=split_seed,
            val_size=val_size,
            test_size=test_size,
            fold=fold,
            num_folds=num_folds,
            max_length=max_length,
            truncate=truncate,
            standardize=standardize,
            noise_steps=noise_steps,
            noise_seed=noise_seed,
            window=window,
        )
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.shuffle = shuffle
        self.bucket_batches = bucket_batches
        self.curriculum_epochs = curriculum_epochs
        self.device_share = device_share
        self.seed = seed
        self.filling: Filling | None = None
        self.standardization: Standardization | None = None
        self.window_background: str | None = None
        self.schema: dict[str, Any] | None = None
        self.class_names: list[str] = []
        self.baselines: dict[str, float] = {}  # test accuracy of answers that need no training
        self.votes = False  # whether sequences of one id are windows of a recording with one label
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
        if self.schema is not None:
            self.source.use_schema(self.schema)
        if self.preparation.window.labels_may_change:
            self.source.allow_label_changes()
        data = self.source.load()
        check_source(data)
        self.class_names = list(data.class_names)
        self.schema = data.schema
        self.fingerprint = fingerprint(data)
        parts = self.preparation.divide(data)
        learnt = self.preparation.learn(
            parts.train,
            missing=data.missing,
            filling=self.filling,
            standardization=self.standardization,
            background=self.window_background,
            class_names=self.class_names,
        )
        self.filling, self.standardization = learnt.filling, learnt.standardization
        self.window_background = learnt.background
        self._parts = self.preparation.finish(parts, learnt, class_names=self.class_names)
        if self.preparation.window.size is not None:
            self.votes = all(part.step_y is None for part in data.parts().values())
            log.info("windows: of %s recordings", parts.sizes())
        self.baselines = floors(self._parts, data)

    def learnt(self) -> dict[str, Any]:
        """Return plain values: what new sequences need to be treated as these were."""
        assert self.filling is not None
        assert self.standardization is not None
        return {
            "num_features": self.num_features,
            "num_steps": self.num_steps,
            "class_names": self.class_names,
            "schema": self.schema,
            "window_background": self.window_background,
            "filling": self.filling.as_plain(),
            "standardization": self.standardization.as_lists(),
        }

    def learnt_from(self, learnt: dict[str, Any]) -> None:
        """Treat the sequences as a run did that had learnt this; call it before `setup`."""
        self.schema = learnt.get("schema")
        self.window_background = learnt.get("window_background")
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

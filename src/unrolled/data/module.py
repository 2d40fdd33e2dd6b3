"""The LightningDataModule: the prepared sequences of a source, in batches."""

import logging
from collections.abc import Callable

import torch
from lightning import LightningDataModule

from unrolled.contracts import Batch, Sequences, Source
from unrolled.data.batches import Batches, Batching
from unrolled.data.preparation import Preparation
from unrolled.data.prepared import PreparedData

log = logging.getLogger(__name__)


class SequenceDataModule(PreparedData, LightningDataModule):
    """Training, validation and test batches of one source.

    source, preparation: see `PreparedData`.
    batching: how the prepared sequences are put into batches.
    seed: seed of the order of training, >= 0.
    """

    def __init__(
        self, *, source: Source, preparation: Preparation, batching: Batching, seed: int
    ) -> None:
        LightningDataModule.__init__(self)
        PreparedData.__init__(self, source=source, preparation=preparation)
        self.batching = batching
        self.seed = seed

    @property
    def batch_size(self) -> int:
        """Sequences in a training batch."""
        return self.batching.batch_size or self.small_recipe.batch_size

    def train_dataloader(self) -> Batches:
        """Return the training batches, shuffled if `shuffle`."""
        return self._batches(
            self.parts.train,
            batch_size=self.batch_size,
            drop_last=self.batching.drop_last,
            shuffle=self.batching.shuffle,
            redraw=self.redraw,
        )

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

    def _batches(
        self,
        part: Sequences,
        *,
        batch_size: int,
        drop_last: bool,
        shuffle: bool,
        redraw: Callable[[int], Sequences] | None = None,
    ) -> Batches:
        trainer = self.trainer
        device = torch.device("cpu") if trainer is None else trainer.strategy.root_device
        if device.type == "cuda":
            free_bytes, _ = torch.cuda.mem_get_info(device)
            if part.num_bytes > self.batching.device_share * free_bytes:
                log.info("the data does not fit on the GPU beside the model: copied by batch")
                device = torch.device("cpu")
        return Batches(
            part.to(device),
            batch_size=batch_size,
            drop_last=drop_last,
            shuffle=shuffle,
            bucket_batches=self.batching.bucket_batches,
            curriculum_epochs=self.batching.curriculum_epochs,
            seed=self.seed,
            redraw=redraw,
            rank=0 if trainer is None else trainer.global_rank,
            world_size=1 if trainer is None else trainer.world_size,
        )

    def _evaluation_batches(self, part: Sequences | None) -> Batches | list[Batches]:
        if part is None:
            return []
        return self._batches(
            part, batch_size=self.batching.eval_batch_size, drop_last=False, shuffle=False
        )

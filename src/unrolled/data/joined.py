"""Several preparations of the same sequences as one LightningDataModule."""

from collections.abc import Callable, Sequence

import torch
from lightning import LightningDataModule

from unrolled.contracts import Batch
from unrolled.data.batches import Batches
from unrolled.data.module import SequenceDataModule


class JoinedData(LightningDataModule):
    """Validation and test batches of each preparation, one dataloader after the other.

    modules: after `setup`, with the same sequences in the same order.
    """

    def __init__(self, modules: Sequence[SequenceDataModule]) -> None:
        super().__init__()
        self.modules = list(modules)

    def val_dataloader(self) -> list[Batches]:
        """Return every validation sequence in order, once for each preparation."""
        return self._joined(lambda module: module.val_dataloader())

    def test_dataloader(self) -> list[Batches]:
        """Return every test sequence in order, once for each preparation."""
        return self._joined(lambda module: module.test_dataloader())

    def transfer_batch_to_device(
        self,
        batch: Batch,
        device: torch.device,
        dataloader_idx: int,
    ) -> Batch:
        """Return the batch on the device; a batch that is there already costs nothing."""
        return self.modules[dataloader_idx].transfer_batch_to_device(batch, device, dataloader_idx)

    def _joined(
        self, loader_of: Callable[[SequenceDataModule], Batches | list[Batches]]
    ) -> list[Batches]:
        joined = []
        for module in self.modules:
            module.trainer = self.trainer  # names the device
            loader = loader_of(module)
            joined += loader if isinstance(loader, list) else [loader]
        return joined

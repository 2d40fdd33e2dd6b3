"""Seeds each training batch, so that its dropout and noise are the same after a resume."""

from typing import Any

from lightning import Callback, LightningModule, Trainer

from unrolled.seeding import mix, seed_default_generators


class BatchSeed(Callback):
    """Seeds torch before each training batch from (seed, epoch, batch, rank).

    seed: of the run, >= 0.
    """

    def __init__(self, *, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Seed the default generators."""
        position = trainer.current_epoch, batch_idx, trainer.global_rank
        seed_default_generators(mix(self.seed, *position))

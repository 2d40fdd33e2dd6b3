"""Adds the state to checkpoints that Lightning omits, so that runs resume bit for bit."""

import logging
from dataclasses import asdict
from time import perf_counter
from typing import Any

from lightning import Callback, LightningModule, Trainer

from unrolled.callbacks.history import log_newest_scores
from unrolled.callbacks.kernel import resolve_kernel
from unrolled.callbacks.stop_reason import has_stopped_early
from unrolled.classifier.module import SequenceClassifier
from unrolled.classifier.schedules import catch_up
from unrolled.classifier.training_sums import TrainingSums
from unrolled.config.values import is_longer
from unrolled.data.batches import Batches
from unrolled.lightning_internals import (
    end_epoch,
    num_batches_done_in_epoch,
    resumes_within_epoch,
    set_max_steps,
)

log = logging.getLogger(__name__)

KEY = "unrolled"  # in a checkpoint


def first_step(checkpoint: dict[str, Any]) -> int:
    """Return the step from which a resumed run logs scores again."""
    step: int = checkpoint["global_step"]
    return step - 1 if checkpoint[KEY]["validating"] else step


class ExactResume(Callback):
    """Saves and restores the position in the epoch, the scores so far, and `should_stop`.

    Lightning restores weights, optimizer, schedule, callbacks and its counters. It restarts an
    interrupted epoch at its first batch, and loses the sums, the scores and `should_stop`. With
    trainer.max_steps it also runs the end of a finished epoch twice.

    identity: config and data_fingerprint of the run; see `unrolled.config.changes`.
    kernel: which code computes the encoder, torch or native, or None before training.
    """

    def __init__(self, *, identity: dict[str, Any]) -> None:
        self.identity = identity
        self.kernel: str | None = None
        self.seconds = 0.0  # of training in earlier processes
        self._started_at = perf_counter()
        self._state: dict[str, Any] | None = None
        self._max_steps = -1

    @property
    def fit_seconds(self) -> float:
        """Seconds of training and validation, including earlier processes."""
        return self.seconds + perf_counter() - self._started_at

    def on_save_checkpoint(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        """Add the state to the checkpoint."""
        checkpoint[KEY] = {
            "identity": self.identity,
            "scores": {name: score.clone() for name, score in trainer.callback_metrics.items()},
            "sums": asdict(pl_module.training_sums),  # type: ignore[call-overload]
            "should_stop": trainer.should_stop,
            "validating": trainer.validating,
            "seconds": self.fit_seconds,
            "kernel": self.kernel,
        }

    def on_load_checkpoint(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        """Keep the state until training starts."""
        self._state = checkpoint[KEY]
        self.seconds = checkpoint[KEY]["seconds"]

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Unset trainer.max_steps while Lightning restores its loops."""
        self._started_at = perf_counter()
        self._max_steps = trainer.max_steps
        set_max_steps(trainer, -1)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the state, and start with the next batch."""
        set_max_steps(trainer, self._max_steps)
        assert isinstance(pl_module, SequenceClassifier)
        recorded = self._state["kernel"] if self._state else None
        self.kernel = resolve_kernel(pl_module, recorded=recorded)
        if self._state is None:
            return
        trainer.callback_metrics.update(self._state["scores"])
        sums = TrainingSums.restored(self._state["sums"], pl_module.device)
        pl_module.training_sums = sums
        longer = is_longer(self._state["identity"], self.identity)
        trainer.should_stop = has_stopped_early(trainer) if longer else self._state["should_stop"]
        if self._state["validating"]:
            log_newest_scores(trainer, split="val")
        if resumes_within_epoch(trainer):
            num_done = num_batches_done_in_epoch(trainer)
            _batches(trainer).first_batch = num_done % int(trainer.num_training_batches)
        if longer:
            self._log_new_length(trainer)
        elif self._state["validating"] and trainer.should_stop:
            end_epoch(trainer)  # Lightning would skip it

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the next epoch with its first batch."""
        _batches(trainer).first_batch = 0

    def _log_new_length(self, trainer: Trainer) -> None:
        if trainer.should_stop:
            log.warning(
                "early stopping ended this run, so it does not train longer; "
                "start a new run from its weights with `unrolled train init_from=RUN`"
            )
            return
        groups = trainer.optimizers[0].param_groups
        before = groups[0]["lr"]
        for config in trainer.lr_scheduler_configs:
            catch_up(config.scheduler)
        log.info(
            "the length of the run has changed: from step %d on, the schedule follows the new "
            "length, and the learning rate changes from %g to %g",
            trainer.global_step,
            before,
            groups[0]["lr"],
        )


def _batches(trainer: Trainer) -> Batches:
    assert isinstance(trainer.train_dataloader, Batches)
    return trainer.train_dataloader

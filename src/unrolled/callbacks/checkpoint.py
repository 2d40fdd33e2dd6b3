"""Writes the two checkpoints of a run: best.ckpt and last.ckpt."""

import logging
import math
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.trainer.states import TrainerFn

from unrolled.callbacks.finite import StopNotFinite
from unrolled.callbacks.history import log_newest_scores, sync_history
from unrolled.callbacks.stop_signals import StopSignals
from unrolled.lightning_internals import continues_exactly, ends_with_epoch
from unrolled.runs.result import Best

log = logging.getLogger(__name__)


class BestAndLast(Checkpoint):
    """Writes `checkpoints/best.ckpt` and `checkpoints/last.ckpt` under the trainer's root folder.

    `best.ckpt` holds the weights of the epoch with the best monitored score. Scores that are not
    finite are skipped. Without a validation set, the last epoch is the best one, and both files are
    written together. `last.ckpt` is a state from which training resumes bit for bit: the end of an
    epoch, or a batch within it.

    monitor: name of the score to choose by.
    mode: min or max.
    every_minutes, every_n_steps: how often `last.ckpt` is written within an epoch, > 0, or None.
    min_seconds: an epoch that ends less than this after `last.ckpt` was written does not write it
        again, >= 0. The first and the last epoch of a process, and an epoch that wrote
        `best.ckpt` after a validation, always write it.
    finite: checks that losses and weights are finite before each checkpoint.
    signals: ends the run after the checkpoint if a stop signal arrived.
    """

    def __init__(
        self,
        *,
        monitor: str,
        mode: str,
        every_minutes: float | None,
        every_n_steps: int | None,
        min_seconds: float,
        finite: StopNotFinite,
        signals: StopSignals,
    ) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"need monitor.mode min or max, got {mode!r}")
        self.monitor = monitor
        self.mode = mode
        self.every_seconds = math.inf if every_minutes is None else 60 * every_minutes
        self.every_n_steps = every_n_steps
        self.min_seconds = min_seconds
        self.finite = finite
        self.signals = signals
        self.best = Best(monitor)
        self.scores: dict[str, float] = {}  # of the best epoch
        self._saved_at = monotonic()
        self._saved_step = 0
        self._has_saved = False  # `last.ckpt`, in this process

    def state_dict(self) -> dict[str, Any]:
        """Return the best epoch so far, as plain values."""
        return {"best": asdict(self.best), "scores": dict(self.scores)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self.best = Best(**state_dict["best"])
        self.scores = dict(state_dict["scores"])

    def on_validation_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
    ) -> None:
        """Save `best.ckpt` if the monitored score improved."""
        if trainer.state.fn != TrainerFn.FITTING or trainer.sanity_checking:
            return
        value = float(trainer.callback_metrics.get(self.monitor, math.nan))
        if not math.isfinite(value):
            log.warning(
                "%s=%s is not finite, so this epoch cannot be the best", self.monitor, value
            )
        elif self._improves(value):
            self.best = self._here(trainer, value)
            self._save(trainer, "best.ckpt")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start to count time and steps until the next checkpoint within an epoch."""
        self._note_save(trainer)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Save `last.ckpt` if it is due or a signal arrived, and training can resume from here."""
        if self._is_due(trainer) and continues_exactly(trainer):
            self._save_last(trainer)

    def on_train_epoch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
    ) -> None:
        """Record all scores of the epoch if it is the best, and save `last.ckpt` if it is due."""
        log_newest_scores(trainer, split="train")
        validates = sum(trainer.num_val_batches) > 0
        if not validates:
            self.best = self._here(trainer, None)
        if self.best.epoch == trainer.current_epoch:
            self.scores = {name: float(score) for name, score in trainer.callback_metrics.items()}
        wrote_best = validates and self.best.epoch == trainer.current_epoch
        if self._is_due_after_epoch(trainer, wrote_best=wrote_best):
            if not validates:
                self._save(trainer, "best.ckpt")
            self._save_last(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save `best.ckpt` if the run ended before its first validation, for example by time."""
        never_validated = self.monitor not in trainer.callback_metrics
        if self.best.epoch is None and never_validated and trainer.global_step > 0:
            self.best = self._here(trainer, None)
            self._save(trainer, "best.ckpt")
            self._save_last(trainer)

    def _is_due(self, trainer: Trainer) -> bool:
        num_steps = trainer.global_step - self._saved_step
        due = (
            self.signals.received is not None
            or monotonic() - self._saved_at > self.every_seconds
            or (self.every_n_steps is not None and num_steps >= self.every_n_steps)
        )
        return trainer.strategy.reduce_boolean_decision(due, all=False)

    def _is_due_after_epoch(self, trainer: Trainer, *, wrote_best: bool) -> bool:
        due = (
            wrote_best  # `last.ckpt` must know of the weights in `best.ckpt`
            or not self._has_saved
            or monotonic() - self._saved_at >= self.min_seconds
            or ends_with_epoch(trainer)
        )
        return self._is_due(trainer) or trainer.strategy.reduce_boolean_decision(due, all=False)

    def _improves(self, value: float) -> bool:
        best = self.best.value
        if best is None:
            return True
        return value > best if self.mode == "max" else value < best

    def _here(self, trainer: Trainer, value: float | None) -> Best:
        return Best(
            monitor=self.monitor,
            value=value,
            epoch=trainer.current_epoch,
            step=trainer.global_step,
        )

    def _save_last(self, trainer: Trainer) -> None:
        self._save(trainer, "last.ckpt")
        self._has_saved = True
        self._note_save(trainer)
        self.signals.end_if_received()

    def _save(self, trainer: Trainer, name: str) -> None:
        self.finite.check()
        self.finite.require_finite_weights(trainer.lightning_module)
        sync_history(trainer)
        trainer.save_checkpoint(Path(trainer.default_root_dir) / "checkpoints" / name)

    def _note_save(self, trainer: Trainer) -> None:
        self._saved_at = monotonic()
        self._saved_step = trainer.global_step

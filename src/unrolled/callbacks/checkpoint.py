"""The two checkpoints of a run: the best by the monitored score, and the last."""

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
from unrolled.lightning_internals import continues_exactly
from unrolled.runs.result import Best

log = logging.getLogger(__name__)


class BestAndLast(Checkpoint):
    """Writes `checkpoints/best.ckpt` and `checkpoints/last.ckpt` under the trainer's root folder.

    A score that is not finite is never best, and never keeps a later one from being it. Without
    a validation part the last epoch counts as the best. `last.ckpt` is the newest place from which
    training continues exactly: the end of the newest complete epoch, also when training was
    stopped early, or a batch within the next one.

    monitor: name of the score to choose by.
    mode: min or max.
    every_minutes, every_n_steps: how often `last.ckpt` is written within an epoch, > 0, or None.
    finite: refuses to save numbers that are not finite.
    signals: says whether the run is to end at its next checkpoint.
    """

    def __init__(
        self,
        *,
        monitor: str,
        mode: str,
        every_minutes: float | None,
        every_n_steps: int | None,
        finite: StopNotFinite,
        signals: StopSignals,
    ) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"need monitor.mode min or max, got {mode!r}")
        self.monitor = monitor
        self.mode = mode
        self.every_seconds = math.inf if every_minutes is None else 60 * every_minutes
        self.every_n_steps = every_n_steps
        self.finite = finite
        self.signals = signals
        self.best = Best(monitor)
        self.scores: dict[str, float] = {}  # all scores of the epoch with the best value
        self._saved_at = monotonic()
        self._saved_step = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the best so far, as plain values."""
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
            log.warning("%s is %s, which cannot be the best", self.monitor, value)
        elif self._improves(value):
            self._save_best(trainer, value)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock of checkpoints within an epoch."""
        self._note_save(trainer)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Save `last.ckpt` if it is time or a signal came, and training can continue from here."""
        if self._is_due(trainer) and continues_exactly(trainer):
            self._save_last(trainer)

    def on_train_epoch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
    ) -> None:
        """Complete the record of the best epoch, and save `last.ckpt`."""
        log_newest_scores(trainer, part="train")
        if sum(trainer.num_val_batches) == 0:
            self._save_best(trainer, None)
        if self.best.epoch == trainer.current_epoch:
            self.scores = {name: float(score) for name, score in trainer.callback_metrics.items()}
        self._save_last(trainer)

    def _is_due(self, trainer: Trainer) -> bool:
        num_steps = trainer.global_step - self._saved_step
        due = (
            self.signals.received is not None
            or monotonic() - self._saved_at > self.every_seconds
            or (self.every_n_steps is not None and num_steps >= self.every_n_steps)
        )
        return trainer.strategy.reduce_boolean_decision(due, all=False)

    def _improves(self, value: float) -> bool:
        best = self.best.value
        if best is None:
            return True
        return value > best if self.mode == "max" else value < best

    def _save_best(self, trainer: Trainer, value: float | None) -> None:
        self.best = Best(
            monitor=self.monitor,
            value=value,
            epoch=trainer.current_epoch,
            step=trainer.global_step,
        )
        self._save(trainer, "best.ckpt")

    def _save_last(self, trainer: Trainer) -> None:
        self._save(trainer, "last.ckpt")
        self._note_save(trainer)
        self.signals.obey()

    def _save(self, trainer: Trainer, name: str) -> None:
        self.finite.look()
        self.finite.require_finite_weights(trainer.lightning_module)
        sync_history(trainer)
        trainer.save_checkpoint(Path(trainer.default_root_dir) / "checkpoints" / name)

    def _note_save(self, trainer: Trainer) -> None:
        self._saved_at = monotonic()
        self._saved_step = trainer.global_step

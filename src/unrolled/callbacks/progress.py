"""Progress of training: one bar for the whole run, or a line per epoch."""

import logging
import math
import sys
from datetime import timedelta
from time import perf_counter
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from torch import Tensor

from unrolled.callbacks.bars import Bar, in_notebook, new_bar
from unrolled.callbacks.throughput import Throughput
from unrolled.config.choices import PROGRESS_STYLES
from unrolled.lightning_internals import num_batches_done

log = logging.getLogger(__name__)

SECONDS_BETWEEN_UPDATES = 0.2  # of the bar; each update reads a loss from the device


class RunProgress(ProgressBar):
    """Shows epoch, loss, validation accuracy, sequences per second and the time left.

    style: bar, lines (one per epoch, also in train.log) or auto (a bar on a terminal and in a
        notebook, else lines).
    max_lines: of the run, >= 1. If it has more epochs, every second, third, ... one has a line.
    """

    def __init__(self, *, style: str, max_lines: int) -> None:
        super().__init__()
        if style not in PROGRESS_STYLES:
            raise ValueError(f"need callbacks.progress.style auto, bar or lines, got {style!r}")
        self.max_lines = max_lines
        self.uses_bar = style == "bar" or (
            style == "auto" and (sys.stdout.isatty() or in_notebook())
        )
        self._is_shown = True
        self._bar: Bar | None = None
        self._started_at = 0.0
        self._updated_at = 0.0
        self._num_done_at_start = 0.0

    def disable(self) -> None:
        """Show nothing, in a further process of a run on several devices."""
        self._is_shown = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the bar."""
        self._started_at = perf_counter()
        self._num_done_at_start = num_batches_done(trainer)
        if not self.uses_bar or not self._is_shown:
            return
        self._bar = new_bar(total=_num_batches(trainer))

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Update the bar, at most five times a second."""
        now = perf_counter()
        if self._bar is None or now - self._updated_at < SECONDS_BETWEEN_UPDATES:
            return
        self._updated_at = now
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        self._update_bar(trainer, float(loss) if isinstance(loss, Tensor) else math.nan)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Update the bar, or log the line of the epoch."""
        sums = pl_module.training_sums.of_all_processes()  # type: ignore[operator,union-attr]
        loss = float(sums.scores()["train/loss"])
        if self._bar is not None:
            self._update_bar(trainer, loss)
        elif self._is_shown and not self.uses_bar and self._has_a_line(trainer):
            log.info(
                "Epoch [%d/%s], Loss: %.4f%s, %s left",
                trainer.current_epoch + 1,
                _num_epochs(trainer) or "?",
                loss,
                self._scores(trainer),
                self._time_left(trainer),
            )

    def on_train_end(self, *_: Any) -> None:
        """Stop the bar; it stays visible."""
        self._close()

    def on_exception(self, *_: Any) -> None:
        """Stop the bar, so that the error is printed below it."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _update_bar(self, trainer: Trainer, loss: float) -> None:
        assert self._bar is not None
        num_epochs = _num_epochs(trainer)
        of_all = "" if num_epochs is None else f"/{num_epochs}"
        self._bar.update(
            completed=num_batches_done(trainer),
            description=f"epoch {trainer.current_epoch + 1}{of_all}",
            scores=f"loss {loss:.4f}{self._scores(trainer)}",
        )

    def _has_a_line(self, trainer: Trainer) -> bool:
        num_epochs = _num_epochs(trainer) or 0
        interval = max(1, math.ceil(num_epochs / self.max_lines))
        number = trainer.current_epoch + 1
        return number % interval == 0 or number == num_epochs

    def _scores(self, trainer: Trainer) -> str:
        accuracy = trainer.callback_metrics.get("val/accuracy")
        shown = "" if accuracy is None else f", val accuracy {float(accuracy):.4f}"
        rates = [
            f", {callback.sequences_per_second:,.0f} sequences/s"
            for callback in trainer.callbacks  # type: ignore[attr-defined]
            if isinstance(callback, Throughput)
        ]
        return "".join([shown, *rates])

    def _time_left(self, trainer: Trainer) -> str:
        num_done = num_batches_done(trainer) - self._num_done_at_start
        num_left = _num_batches(trainer) - (num_batches_done(trainer))
        if not math.isfinite(num_left) or num_done <= 0:
            return "?"
        seconds = (perf_counter() - self._started_at) / num_done * max(num_left, 0)
        return str(timedelta(seconds=round(seconds)))


def _num_batches(trainer: Trainer) -> float:
    """Return the batches of the whole run, infinite if only time or scores end it."""
    if trainer.max_epochs is None or trainer.max_epochs < 0:
        epochs = math.inf
    else:
        epochs = float(trainer.max_epochs * trainer.num_training_batches)
    if trainer.max_steps < 0:
        return epochs
    num_accumulated = trainer.accumulate_grad_batches
    steps_per_epoch = math.ceil(trainer.num_training_batches / num_accumulated)
    num_whole, rest = divmod(trainer.max_steps, steps_per_epoch)
    return min(epochs, num_whole * trainer.num_training_batches + rest * num_accumulated)


def _num_epochs(trainer: Trainer) -> int | None:
    """Return the epochs of the whole run, the last of which may be a part of one, if known."""
    num_batches = _num_batches(trainer)
    if not math.isfinite(num_batches):
        return None
    return math.ceil(num_batches / trainer.num_training_batches)

"""Measures training sequences per second, without validation and checkpoints."""

from time import perf_counter
from typing import Any

from lightning import Callback, LightningModule, Trainer

from unrolled.contracts import Batch


class Throughput(Callback):
    """Counts training sequences and the seconds spent on them."""

    def __init__(self) -> None:
        self.num_sequences = 0
        self.seconds = 0.0
        self._started_at: float | None = None

    @property
    def sequences_per_second(self) -> float:
        """Training sequences per second so far, 0 before the first."""
        num, seconds = self.so_far
        return num / seconds if seconds > 0 else 0.0

    @property
    def so_far(self) -> tuple[int, float]:
        """Training sequences so far, and the seconds spent on them."""
        return self.num_sequences, self._seconds_so_far()

    def state_dict(self) -> dict[str, Any]:
        """Return the sequences and seconds so far."""
        return {"num_sequences": self.num_sequences, "seconds": self._seconds_so_far()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self.num_sequences = state_dict["num_sequences"]
        self.seconds = state_dict["seconds"]

    def on_train_batch_start(self, *_: Any, **__: Any) -> None:
        """Start the clock if it is stopped."""
        if self._started_at is None:
            self._started_at = perf_counter()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Count the batch."""
        self.num_sequences += len(batch.y)

    def on_validation_start(self, *_: Any) -> None:
        """Stop the clock during validation."""
        self._stop()

    def on_train_epoch_end(self, *_: Any) -> None:
        """Stop the clock during checkpoints."""
        self._stop()

    def _seconds_so_far(self) -> float:
        running = 0.0 if self._started_at is None else perf_counter() - self._started_at
        return self.seconds + running

    def _stop(self) -> None:
        if self._started_at is not None:
            self.seconds += perf_counter() - self._started_at
            self._started_at = None

"""Records which code computes the encoder, and uses the same code again on resume."""

import logging
from typing import Any

from lightning import Callback, LightningModule, Trainer

from unrolled.classifier.module import SequenceClassifier

log = logging.getLogger(__name__)


class SameKernel(Callback):
    """Keeps `model.kernel` of a run as it was resolved at its start.

    kernel: torch or native, or None before training.
    """

    def __init__(self) -> None:
        self.kernel: str | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Resolve `model.kernel`, or use the recorded one."""
        assert isinstance(pl_module, SequenceClassifier)
        encoder = pl_module.network.encoder
        before, now = self.kernel, encoder.resolve_kernel(pl_module.device)
        if before is not None and before != now:
            encoder.kernel = before
            now = encoder.resolve_kernel(pl_module.device)
        if before is not None and before != now:
            log.warning(
                "the run started with model.kernel=%s, which this machine does not have; with %s, "
                "scores may differ in the last digits from an uninterrupted run",
                before,
                now,
            )
        self.kernel = now

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"kernel": self.kernel}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the kernel of a checkpoint."""
        self.kernel = state_dict["kernel"]

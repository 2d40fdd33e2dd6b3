"""Keeps loggers in step with checkpoints: each checkpoint has all scores up to its step."""

from typing import Any

from lightning import Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from unrolled.runs.metrics_csv import MetricsCSV


def log_newest_scores(trainer: Trainer, *, split: str) -> None:
    """Log the newest scores of a split, at the last step.

    Lightning would log training scores after the checkpoint of the epoch, so a run that is killed
    in between would lose them.

    split: train or val.
    """
    scores: dict[str, Any] = {
        name: float(score)
        for name, score in trainer.callback_metrics.items()
        if name.startswith(f"{split}/")
    }
    for logger in trainer.loggers:
        logger.log_metrics({**scores, "epoch": trainer.current_epoch}, step=trainer.global_step - 1)
        logger.save()


def sync_history(trainer: Trainer) -> None:
    """Write what the loggers keep in memory, before a checkpoint."""
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.flush()
        elif isinstance(logger, MetricsCSV):
            logger.sync()

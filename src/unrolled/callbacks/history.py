"""One history of scores: what the loggers hold never falls behind a checkpoint, nor runs ahead."""

from typing import Any

from lightning import Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from unrolled.runs.metrics_csv import MetricsCSV


def log_newest_scores(trainer: Trainer, *, part: str) -> None:
    """Give the loggers the newest scores of a part, at the last step.

    Lightning would log those of training after the checkpoint of the epoch, and a run that is
    killed in between would never log them.

    part: train or val.
    """
    scores: dict[str, Any] = {
        name: float(score)
        for name, score in trainer.callback_metrics.items()
        if name.startswith(f"{part}/")
    }
    for logger in trainer.loggers:
        logger.log_metrics({**scores, "epoch": trainer.current_epoch}, step=trainer.global_step - 1)
        logger.save()


def sync_history(trainer: Trainer) -> None:
    """Write what loggers keep in memory; a checkpoint follows."""
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.flush()
        elif isinstance(logger, MetricsCSV):
            logger.sync()

"""Logs the settings of a run, for tables and plots that compare runs."""

from typing import Any

from lightning import Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from omegaconf import DictConfig

from unrolled.config.values import class_name, data_name, leaves, resolve

COMPARED = ("model", "head", "data", "loss", "optimizer", "scheduler")
NOT_COMPARED = ("recipe.", "source.", "window.")  # nodes of these groups


def log_settings(config: DictConfig, trainer: Trainer) -> None:
    """Give each logger the whole config; TensorBoard's goes to hparams.yaml."""
    settings = resolve(config)
    for logger in trainer.loggers:
        logger.log_hyperparams(settings)


def log_final_scores(config: DictConfig, trainer: Trainer, scores: dict[str, float | None]) -> None:
    """Add a row to TensorBoard's HParams view: the compared settings and the final scores."""
    finals = {
        f"hp/{name.replace('/', '_')}": scores[name]
        for name in ("val/accuracy", "val/loss", "test/accuracy", "test/loss")
        if name in scores
    }
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            settings = _compared(resolve(config))
            logger.log_hyperparams(settings, finals, step=trainer.global_step)
        logger.finalize("success")


def _compared(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings for the HParams view; a choice is shown as its class name.

    TensorBoard sorts settings by name and shows the first five by default. These are data,
    hidden_size, lr, model and seed, because all others start with `settings.`.
    """
    shown: dict[str, Any] = {
        "data": data_name(settings),
        "hidden_size": settings["model"].get("hidden_size"),
        "lr": settings["optimizer"]["lr"],
        "model": class_name(settings["model"]),
        "seed": settings["seed"],
    }
    for group in COMPARED:
        if "_target_" in settings[group]:
            shown[f"settings.{group}"] = class_name(settings[group])
        shown |= {
            f"settings.{group}.{name}": value
            for name, value in leaves(settings[group])
            if not name.startswith(NOT_COMPARED) and not name.endswith("_")
        }
    return {name: value for name, value in shown.items() if value is not None}

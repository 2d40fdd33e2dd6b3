"""Calibrates a trained model on predictions that it was not trained on."""

import logging
from collections.abc import Sequence

from lightning import LightningDataModule
from omegaconf import DictConfig

from unrolled.classifier.calibration import Outputs, fit_temperature, joined
from unrolled.classifier.ensemble import EnsembleClassifier
from unrolled.classifier.module import SequenceClassifier
from unrolled.classifier.scores import compute_scores
from unrolled.data.module import SequenceDataModule
from unrolled.errors import ConfigError
from unrolled.runs.result import Calibration, Result
from unrolled.runs.run_folder import RunFolder
from unrolled.training.trainer import quiet_trainer

log = logging.getLogger(__name__)

FEW = 50  # predictions: with fewer, the temperature of another sample would differ much

Classifier = SequenceClassifier | EnsembleClassifier


def is_calibrated(config: DictConfig) -> bool:
    """Return whether the model of a run is calibrated after training."""
    return bool(config.calibration != "none")


def require_validation(config: DictConfig, data: SequenceDataModule) -> None:
    """Refuse a run without folds that has no predictions to fit a temperature on.

    Raises:
        ConfigError: the message names what to type.
    """
    if not is_calibrated(config):
        return
    if data.parts.val is None or config.trainer.limit_val_batches == 0:
        raise ConfigError(
            f"calibration={config.calibration}: there is no validation set to fit the temperature "
            "on; hold one out with data.val_size=0.2, or type data.test_fold=all, which fits it on "
            "the held-out predictions of the folds"
        )


def require_final_model(config: DictConfig, folder: RunFolder) -> None:
    """Refuse to calibrate folds without a final model.

    Raises:
        ConfigError: the message names what to type.
    """
    if is_calibrated(config) and not folder.members:
        raise ConfigError(
            f"calibration={config.calibration}: there is no final model to calibrate; type "
            "data.refit=true, or calibration=none"
        )


def calibrate(
    config: DictConfig,
    folder: RunFolder,
    *,
    classifier: SequenceClassifier,
    data: LightningDataModule,
    result: Result,
) -> None:
    """Calibrate a network with its best weights on the validation set, if the config asks for it.

    The Trainer of the run is not used, because its callbacks and loggers would count an epoch.
    """
    if is_calibrated(config):
        quiet_trainer(config, folder).validate(classifier, datamodule=data, verbose=False)
        fit_on_validation(classifier, result)


def fit_on_validation(classifier: Classifier, result: Result) -> None:
    """Fit the temperature on the outputs of the newest validation, and use it from now on.

    The result gets the validation scores of the calibrated model.
    """
    outputs = _outputs(classifier, "val")
    calibration = _fitted([outputs], fitted_on="val")
    result.calibration = calibration
    classifier.temperature = calibration.temperature
    logits, y, ids = classifier.outputs["val"]
    scores, _ = compute_scores(
        logits / calibration.temperature,
        y,
        ids,
        averages_windows=classifier.averages_windows,
    )
    result.scores |= {f"val/{name}": float(value) for name, value in scores.items()}


def fit_on_folds(folds: Sequence[Outputs]) -> tuple[Calibration, list[float]]:
    """Return the calibration on the held-out predictions of all folds, and a temperature per fold.

    The temperature of a fold is fitted on all other folds.
    """
    calibration = _fitted(folds, fitted_on="cv")
    temperatures = [
        fit_temperature(joined([*folds[:number], *folds[number + 1 :]]))
        for number in range(len(folds))
    ]
    tempered = [fold.divided(value) for fold, value in zip(folds, temperatures, strict=True)]
    calibration.after = joined(tempered).scores(1.0, split="cv")
    return calibration, temperatures


def add_scores(classifier: Classifier, result: Result, *, split: str) -> None:
    """Add loss and calibration error of a set before and after calibration, if there is one."""
    if result.calibration is not None and split in classifier.outputs:
        outputs, temperature = _outputs(classifier, split), result.calibration.temperature
        result.calibration.before |= outputs.scores(1.0, split=split)
        result.calibration.after |= outputs.scores(temperature, split=split)


def _fitted(parts: Sequence[Outputs], *, fitted_on: str) -> Calibration:
    outputs = joined(parts)
    temperature = fit_temperature(outputs)
    if len(outputs) < FEW:
        log.warning(
            "calibration: the temperature is fitted on %d predictions only, so it is uncertain",
            len(outputs),
        )
    return Calibration(
        temperature=temperature,
        fitted_on=fitted_on,
        num_sequences=len(outputs),
        before=outputs.scores(1.0, split=fitted_on),
        after=outputs.scores(temperature, split=fitted_on),
    )


def _outputs(classifier: Classifier, split: str) -> Outputs:
    logits, y, ids = classifier.outputs[split]
    return Outputs(logits.cpu(), y.cpu(), ids.cpu(), classifier.averages_windows)

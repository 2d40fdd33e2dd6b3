"""Scores of the model of a run, which has one or more members, on validation and test set."""

from collections.abc import Sequence

from omegaconf import DictConfig

from unrolled.building.data import fit_baselines, load_data
from unrolled.classifier.ensemble import EnsembleClassifier
from unrolled.data.joined import JoinedData
from unrolled.data.module import SequenceDataModule
from unrolled.runs.preparations import distinct_preprocessing
from unrolled.runs.result import Result
from unrolled.runs.run_folder import RunFolder
from unrolled.training.calibrating import Classifier, add_scores, fit_on_validation, is_calibrated
from unrolled.training.trainer import load_ensemble, quiet_trainer


def load_inputs(folder: RunFolder) -> list[SequenceDataModule]:
    """Return the data of a run in each distinct preparation of its members."""
    distinct, numbers = distinct_preprocessing(folder.networks)
    first = [numbers.index(number) for number in range(len(distinct))]
    return [load_data(folder.networks[member].config()) for member in first]


def score(
    config: DictConfig, folder: RunFolder, inputs: Sequence[SequenceDataModule], result: Result
) -> EnsembleClassifier:
    """Add the scores on the validation set, and with config.test on the test set, to the result.

    inputs: see `load_inputs`.
    """
    classifier = load_ensemble(folder, data=inputs[0])
    if result.calibration is not None:  # fitted on folds
        classifier.temperature = result.calibration.temperature
    trainer, data = quiet_trainer(config, folder), JoinedData(inputs)
    if inputs[0].parts.val is not None and config.trainer.limit_val_batches != 0:
        scores = trainer.validate(classifier, datamodule=data, verbose=False)[0]
        result.scores |= scores
        if is_calibrated(config) and result.calibration is None:
            fit_on_validation(classifier, result)
        add_scores(classifier, result, split="val")
    if uses_test_set(config) and inputs[0].parts.test is not None:
        scores = trainer.test(classifier, datamodule=data, verbose=False)[0]
        result.scores |= scores
        add_scores(classifier, result, split="test")
        result.confusion = classifier.confusion["test"].tolist()
    return classifier


def uses_test_set(config: DictConfig) -> bool:
    """Return whether a run with this config uses its test set."""
    return bool(config.test and config.trainer.limit_test_batches != 0)


def add_baselines(
    config: DictConfig, data: SequenceDataModule, result: Result, *, classifier: Classifier
) -> None:
    """Add the test accuracies of 1-NN and MiniRocket to the result, if the test set is used.

    classifier: has tested the same set, unless it is not used.
    """
    fitted = fit_baselines(config, data) if uses_test_set(config) else {}
    result.baselines |= {name: one.accuracy for name, one in fitted.items()}
    result.baseline_seconds = {name: one.seconds for name, one in fitted.items()}
    if fitted and "test" in classifier.outputs:
        logits, y, ids = (part.cpu() for part in classifier.outputs["test"])
        is_right = logits.argmax(dim=1) == y
        result.baseline_pairs = {
            name: list(one.only_right(is_right, ids)) for name, one in fitted.items()
        }

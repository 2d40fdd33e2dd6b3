"""Trains, resumes and evaluates runs. Each run has a config and a run folder."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from lightning import LightningDataModule, LightningModule, Trainer
from omegaconf import DictConfig, OmegaConf

from unrolled.building.data import build_data, data_shared, share_source
from unrolled.building.network import PREFIX, load_weights
from unrolled.callbacks.exact_resume import KEY as STATE_KEY
from unrolled.callbacks.exact_resume import first_step
from unrolled.callbacks.stop_reason import stop_reason
from unrolled.callbacks.watchdog import watching
from unrolled.classifier.ensemble import EnsembleClassifier
from unrolled.classifier.module import SequenceClassifier
from unrolled.config.changes import refuse_changes
from unrolled.config.compound import ALL_FOLDS, is_compound, part_configs, with_changes
from unrolled.config.values import is_fitted, is_longer, resolve
from unrolled.data.fitted import Fitted
from unrolled.data.joined import JoinedData
from unrolled.data.module import SequenceDataModule
from unrolled.errors import (
    CheckpointError,
    DataError,
    RunInterruptedError,
    UnrolledError,
)
from unrolled.runs import manifest
from unrolled.runs.durable import require_space
from unrolled.runs.own_packages import warn_if_edited
from unrolled.runs.preparations import distinct_preprocessing
from unrolled.runs.provenance import provenance
from unrolled.runs.recording import recording
from unrolled.runs.result import Result
from unrolled.runs.run_folder import RunFolder, find_run
from unrolled.training import compound, fitting
from unrolled.training.batch_memory import naming_batches, require_memory_for_batches
from unrolled.training.calibrating import add_scores, calibrate, require_validation
from unrolled.training.data_record import record_data
from unrolled.training.hyperparameters import log_final_scores, log_settings
from unrolled.training.process import prepare_process, readable_errors
from unrolled.training.scoring import add_baselines, uses_test_set
from unrolled.training.sizes import log_sizes
from unrolled.training.trainer import (
    Experiment,
    build,
    build_trainer,
    load_classifier,
    load_ensemble,
)

log = logging.getLogger(__name__)

NUM_CHECKPOINTS = 3  # best, last, and the one being written
VALUES_PER_WEIGHT = 3  # the weight and Adam's two moments


def train(config: DictConfig, folder: RunFolder, *, overrides: list[str]) -> Result:
    """Train, test the checkpoint that scored best on the validation set, and return the result.

    A run with `ensemble` or data.test_fold=all consists of several trainings; see `compound`.

    overrides: key=value words of the command line, for provenance.json.

    Raises:
        UnrolledError: the run failed or was interrupted; result.json records the error.
    """
    with _naming_the_resume_command(folder), data_shared():
        return _train(config, folder, overrides=overrides)


def resume(config: DictConfig, folder: RunFolder, *, overrides: list[str]) -> Result:
    """Resume a run from its newest valid checkpoint, and return its result.

    A model that is fitted without a training loop is fitted again.

    config: of the run, changed at most as `unrolled.config.changes` allows.
    overrides: key=value words of the command line, for provenance.json.

    Raises:
        CheckpointError: there is no valid checkpoint, or the config or the data has changed.
        UnrolledError: the run failed or was interrupted; result.json records the error.
    """
    with _naming_the_resume_command(folder):
        return _resume(config, folder, overrides=overrides)


@contextmanager
def _naming_the_resume_command(folder: RunFolder) -> Iterator[None]:
    try:
        yield
    except RunInterruptedError as error:
        if folder.can_resume:
            log.warning("%s; to resume: %s", error, folder.resume_command)
        raise


def _train(config: DictConfig, folder: RunFolder, *, overrides: list[str]) -> Result:
    prepare_process(num_threads=config.num_threads, keep_memory=config.keep_memory)
    if config.init_from is not None:
        config.init_from = str(find_run(config.init_from, root=Path("outputs")).path)
    planned, problem = _with_folds(config)
    if is_compound(planned):  # before config.yaml, which marks a run that can be resumed
        for name, part in part_configs(planned, overrides=overrides).items():
            RunFolder(folder.path / name).write_config(part)
    folder.write_config(config)
    folder.write_provenance(provenance(overrides, with_diff=config.store_diff))
    if is_compound(planned) and problem is None:
        return _run_parts(config, folder, overrides=overrides)
    return _run(config, folder, start=None, problem=problem)


def _with_folds(config: DictConfig) -> tuple[DictConfig, Exception | None]:
    """Return the config with data.test_fold=all if data.test_size=null asks for folds.

    The second value is the reason why the data cannot be loaded, for the result of the run.
    """
    if config.data.test_size is not None or not config.test:
        return config, None
    try:
        with watching(OmegaConf.select(config, "callbacks.watchdog.minutes")):
            data = share_source(config)
    except (UnrolledError, ValueError) as error:
        return config, error
    assert data.loaded is not None
    if not data.preparation.division.tests_on_folds(data.loaded):
        return config, None
    config = config.copy()
    config.data.test_fold = ALL_FOLDS
    config.data.num_folds = data.preparation.division.num_possible_folds(data.loaded)
    if config.data.num_folds < data.preparation.division.num_folds:
        log.info("%d folds, because there are few sequences", config.data.num_folds)
    return config, None


def _resume(config: DictConfig, folder: RunFolder, *, overrides: list[str]) -> Result:
    prepare_process(num_threads=config.num_threads, keep_memory=config.keep_memory)
    here = provenance(overrides, with_diff=config.store_diff)
    has_parts = bool(folder.folds or folder.members)
    if has_parts or is_fitted(config):
        start = None
        refuse_changes(resolve(folder.config()), resolve(config))
    else:
        path, checkpoint = folder.newest_checkpoint()
        start = Start(path, first_step(checkpoint), recorded_identity(checkpoint))
        refuse_changes(start.identity, {**start.identity, **resolve(config)})
        log.info("resuming %s at step %d", folder.path, checkpoint["global_step"])
    _warn_of_other_versions(folder.provenance().get("versions", {}), here["versions"])
    warn_if_edited(folder.provenance())
    manifest.remove(folder)
    folder.remove_result()
    folder.write_config(config)
    folder.write_provenance(here)
    if has_parts:
        return _run_parts(config, folder, overrides=overrides)
    return _run(config, folder, start=start)


def _run_parts(config: DictConfig, folder: RunFolder, *, overrides: list[str]) -> Result:
    """Finish a run of several trainings. Finished trainings are not repeated."""
    num_parts = len(folder.folds) + len(folder.members)

    def finish(part: RunFolder) -> Result:
        before = part.config()
        now, result = with_changes(before, config, num_parts=num_parts), part.result()
        if result is not None and result.state == "done" and not is_longer(before, now):
            return result
        if part.can_resume:
            with part.held():
                return _resume(now, part, overrides=overrides)
        part.make_free()
        with part.claimed():
            return _train(now, part, overrides=overrides)

    return compound.run(config, folder, finish=finish)


def recorded_identity(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """Return the config and the data_fingerprint of the run that wrote a checkpoint."""
    identity: dict[str, Any] = checkpoint[STATE_KEY]["identity"]
    return identity


@dataclass(frozen=True)
class Start:
    """Where a run resumes.

    path: of the checkpoint.
    first_step: from which scores are logged again.
    identity: config and data_fingerprint of the run, see `recorded_identity`.
    """

    path: Path
    first_step: int
    identity: dict[str, Any]


def _run(
    config: DictConfig, folder: RunFolder, *, start: Start | None, problem: Exception | None = None
) -> Result:
    """Train and test, or fit and test, and record how it ended.

    problem: an error that has already occurred, which is recorded and raised.
    """
    with recording(folder, config=config) as result, readable_errors():
        if problem is not None:
            raise problem
        if is_fitted(config):
            fitting.fit_and_test(config, folder, result)
        else:
            _train_and_test(config, folder, result, start=start)
    return result


def _train_and_test(
    config: DictConfig, folder: RunFolder, result: Result, *, start: Start | None
) -> None:
    experiment = build(config, folder, first_step=0 if start is None else start.first_step)
    data, classifier, trainer = experiment.data, experiment.classifier, experiment.trainer
    if start is not None:
        refuse_changes(start.identity, experiment.resume.identity)
    elif config.init_from is not None:
        _start_from(classifier, RunFolder(config.init_from), class_names=data.class_names)
    require_validation(config, data)
    record_data(folder, data, result)
    result.num_parameters = log_sizes(config, data, classifier.network)
    if config.trainer.max_steps is None:
        result.recipe = data.small_recipe.to_plain()
    require_space(
        folder.path, needed=NUM_CHECKPOINTS * VALUES_PER_WEIGHT * 4 * result.num_parameters
    )
    require_memory_for_batches(data, classifier.network)
    log_settings(config, trainer)
    with experiment.checkpoint.signals:
        try:
            path = None if start is None else start.path
            with naming_batches(trainer):
                trainer.fit(classifier, datamodule=data, ckpt_path=path)
        finally:
            _record_training(experiment, result)
        if result.stopped_by is not None:
            log.info("training ended after epoch %d: %s", result.num_epochs, result.stopped_by)
        if experiment.checkpoint.best.value is None:
            result.selection = "last epoch: there was no validation"
        best = folder.best_state_dict() if trainer.is_global_zero else {}  # who alone has it
        load_weights(classifier.network, trainer.strategy.broadcast(best))
        test_started_at = perf_counter()
        calibrate(config, folder, classifier=classifier, data=data, result=result)
        if uses_test_set(config) and data.parts.test is not None:
            result.scores |= test(trainer, classifier, data)
            add_scores(classifier, result, split="test")
            result.confusion = classifier.confusion["test"].tolist()
        result.seconds["test"] = perf_counter() - test_started_at
        add_baselines(config, data, result, classifier=classifier)
        log_final_scores(config, trainer, result.scores)


def _record_training(experiment: Experiment, result: Result) -> None:
    trainer = experiment.trainer
    result.scores = dict(experiment.checkpoint.scores)
    result.best = experiment.checkpoint.best
    result.num_epochs = trainer.current_epoch
    result.num_steps = trainer.global_step
    result.kernel = experiment.resume.kernel
    result.stopped_by = stop_reason(trainer)
    result.sequences_per_second = experiment.throughput.sequences_per_second
    result.seconds["fit"] = experiment.resume.fit_seconds


def _start_from(
    classifier: SequenceClassifier, other: RunFolder, *, class_names: Sequence[str]
) -> None:
    """Load the best weights of another run into a new classifier.

    If its classes differ in number, name or order, the head keeps its fresh weights.

    Raises:
        CheckpointError: the run has no best checkpoint, or its weights have other shapes.
    """
    weights = other.best_state_dict()
    has_other_classes = other.preprocessing()["class_names"] != list(class_names)
    if has_other_classes:
        fresh = {f"{PREFIX}{name}": t for name, t in classifier.network.state_dict().items()}
        heads = {name: t for name, t in fresh.items() if name.startswith(f"{PREFIX}head.")}
        others = {name: t for name, t in weights.items() if not name.startswith(f"{PREFIX}head.")}
        weights = {**others, **heads}
    try:
        load_weights(classifier.network, weights)
    except RuntimeError as error:  # lists the weights that do not fit
        raise CheckpointError(f"init_from={other.path}: {error}") from error
    new_head = "; it has other classes, so the head is new" if has_other_classes else ""
    log.info("weights loaded from %s%s", other.path, new_head)


def _warn_of_other_versions(before: dict[str, str], now: dict[str, str]) -> None:
    for name in ("torch", "lightning"):
        if before.get(name) != now.get(name):
            log.warning(
                "%s was %s when the run started and is %s now: scores may differ in the last "
                "digits from an uninterrupted run",
                name,
                before.get(name),
                now.get(name),
            )


def test(
    trainer: Trainer, classifier: LightningModule, data: LightningDataModule
) -> dict[str, float]:
    """Return the scores on the test set, by name (test/accuracy)."""
    with naming_batches(trainer):
        scores = trainer.test(classifier, datamodule=data, verbose=False)[0]
    return {name: float(value) for name, value in scores.items()}


def evaluate(config: DictConfig, folder: RunFolder) -> dict[str, Any]:
    """Test the best checkpoint of a run on the test set of config.data.

    config: of the run; `data` and `trainer` may be changed. Sequences are prepared with the values
        that were fitted on the training set of the run, for example its mean.

    Raises:
        CheckpointError: the run has no checkpoint.
        DataError: there is no test set, or its features or classes differ from the run's.
    """
    prepare_process(num_threads=config.num_threads, keep_memory=config.keep_memory)
    manifest.require_unchanged(folder)
    warn_if_edited(folder.provenance())
    with readable_errors():
        inputs = [
            _as_in_training(config, preprocessing, has_folds=bool(folder.folds))
            for preprocessing in distinct_preprocessing(folder.networks)[0]
        ]
        data = inputs[0]
        data.log_warnings()
        classifier: SequenceClassifier | EnsembleClassifier
        if folder.members or is_fitted(config):
            classifier = load_ensemble(folder, data=data)
            classifier.temperature = folder.temperature()
        else:
            classifier = load_classifier(config, folder)
            classifier.averages_windows = data.averages_windows
            classifier.repeated_ids = data.repeated_ids
        trainer = build_trainer(config, folder, callbacks=[], loggers=[])
        scores = test(trainer, classifier, JoinedData(inputs))
    result = {
        "scores": scores,
        "num_sequences": data.parts.sizes()["test"],
        "data_fingerprint": data.fingerprint,
        "confusion": classifier.confusion["test"].tolist(),
    }
    folder.write_evaluation({**result, "data": resolve(config)["data"]})
    return result


def _as_in_training(
    config: DictConfig, preprocessing: dict[str, Any], *, has_folds: bool
) -> SequenceDataModule:
    """Return the data of a config, prepared with the values that a run was trained with."""
    data = build_data(config)
    data.fitted = Fitted.from_plain(preprocessing)
    data.prepare_data()
    data.setup()
    _refuse_other_data(data, preprocessing, has_folds=has_folds)
    return data


def _refuse_other_data(
    data: SequenceDataModule, preprocessing: dict[str, Any], *, has_folds: bool
) -> None:
    if data.parts.test is None and has_folds:
        raise DataError(
            "the run has no test set apart from its folds, whose scores are in result.json; "
            "name a file of new sequences with data.test_path=FILE"
        )
    if data.parts.test is None:
        raise DataError("the data has no test set; hold one out with data.test_size=0.2")
    if data.num_features != preprocessing["num_features"]:
        raise DataError(
            f"the run was trained on {preprocessing['num_features']} features per step, "
            f"this data has {data.num_features}"
        )
    if data.class_names != preprocessing["class_names"]:
        raise DataError(
            f"the run was trained on the classes {preprocessing['class_names']}, "
            f"this data has {data.class_names}"
        )

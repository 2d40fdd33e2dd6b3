"""Runs of several trainings in one folder: the members of an ensemble, and the folds.

Each training has a run folder of its own in the folder of the run, and is finished, resumed and
recorded like any other run. A member that is fitted rather than trained (see `fitting`) has a run
folder too. Members can read different channels, so each has a preparation of its own.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import fmean
from time import perf_counter

import torch
from omegaconf import DictConfig

from unrolled.building.data import data_shared, share_data, share_source
from unrolled.callbacks.stop_signals import StopSignals
from unrolled.classifier.calibration import Outputs
from unrolled.config.values import model_name
from unrolled.data.joined import JoinedData
from unrolled.data.module import SequenceDataModule
from unrolled.errors import CheckpointError, RunInterruptedError, UnrolledError
from unrolled.runs.recording import recording
from unrolled.runs.result import Best, Part, Result
from unrolled.runs.run_folder import RunFolder
from unrolled.training.calibrating import (
    fit_on_folds,
    is_calibrated,
    require_final_model,
    require_validation,
)
from unrolled.training.cross_validation import HeldOut, out_of_fold_table, summarize
from unrolled.training.data_record import record_data
from unrolled.training.process import readable_errors, without_repeats
from unrolled.training.scoring import add_baselines, load_inputs, score
from unrolled.training.trainer import load_ensemble, quiet_trainer

log = logging.getLogger(__name__)

Finish = Callable[[RunFolder], Result]  # trains or resumes the run in a folder, unless it is done


def run(config: DictConfig, folder: RunFolder, *, finish: Finish) -> Result:
    """Finish each training of a compound run, and return the result of the whole.

    folder: with a config in the folder of each training.

    Raises:
        UnrolledError: a training failed, and its name starts the message; or the run was
            interrupted. result.json records the error.
    """
    with (
        recording(folder, config=config) as result,
        readable_errors(),
        StopSignals(),
        data_shared(),
        without_repeats(),
    ):
        require_final_model(config, folder)
        if folder.folds:
            _cross_validate(config, folder, result, finish=finish)
        if folder.members:
            _train_members(config, folder, result, finish=finish)
    return result


def _cross_validate(
    config: DictConfig, folder: RunFolder, result: Result, *, finish: Finish
) -> None:
    """Finish the trainings of the folds, and add their scores on the sequences they hold out."""
    share_source(config)
    results, parts = [], []
    for fold in folder.folds:
        data = share_data(fold.config())
        _warn_of_unknown_classes(fold, data)
        results.append(_finished(fold, data, finish=finish, num=len(folder.folds)))
        parts.append(_held_out(fold, data))
    if is_calibrated(config):
        outputs = [Outputs(part.logits, part.y, part.ids, data.averages_windows) for part in parts]
        result.calibration, temperatures = fit_on_folds(outputs)
        parts = [part.divided(value) for part, value in zip(parts, temperatures, strict=True)]
    if data.averages_windows:
        parts = [part.of_recordings() for part in parts]
    result.cross_validation = summarize(
        results,
        parts,
        folds=[_part(*pair) for pair in zip(folder.folds, results, strict=True)],
        num_classes=data.num_classes,
        noun="recordings" if data.averages_windows else data.noun,
    )
    result.scores |= {f"cv/{name}": value for name, value in result.cross_validation.mean.items()}
    result.data_fingerprint = data.fingerprint
    result.num_parameters = results[0].num_parameters
    _add_up(results, result)
    metric = config.monitor.metric.replace("val/", "cv/")
    result.best = Best(metric, value=result.scores.get(metric))
    table = out_of_fold_table(parts, class_names=data.class_names, names=data.names)
    folder.write_out_of_fold(table)


def _warn_of_unknown_classes(fold: RunFolder, data: SequenceDataModule) -> None:
    """Log the classes that a fold holds out and its network never sees."""
    counts = torch.bincount(data.parts.train.y, minlength=data.num_classes).tolist()
    missing = [name for name, count in zip(data.class_names, counts, strict=True) if not count]
    if missing:
        log.warning(
            "%s: no training sequence of %s, so none that is held out can be recognized; "
            "use data.split=stratified, or fewer folds",
            fold.name,
            ", ".join(missing),
        )


def _held_out(fold: RunFolder, data: SequenceDataModule) -> HeldOut:
    """Return what the model of a fold predicts for its test set, or for its windows."""
    classifier = load_ensemble(fold, data=data)
    inputs = JoinedData(load_inputs(fold))
    quiet_trainer(fold.config(), fold).test(classifier, datamodule=inputs, verbose=False)
    logits, y, ids = classifier.outputs["test"]
    return HeldOut(logits, y, ids, torch.isin(ids, data.repeated_ids))


def _train_members(
    config: DictConfig, folder: RunFolder, result: Result, *, finish: Finish
) -> None:
    """Finish the trainings of the members, and add the scores of the ensemble."""
    configs = [member.config() for member in folder.members]
    if any(one.data != configs[0].data for one in configs):
        share_source(configs[0])
    data = share_data(configs[0])
    if not folder.folds:
        require_validation(config, data)
    record_data(folder, data, result)
    if config.trainer.max_steps is None:
        result.recipe = data.small_recipe.to_plain()
    num = len(folder.members)
    if folder.folds:
        log.info("final model, without a held-out fold:")
    results = [_finished(member, data, finish=finish, num=num) for member in folder.members]
    result.num_parameters = sum(one.num_parameters or 0 for one in results)
    _add_up(results, result)
    result.members = [_part(*pair) for pair in zip(folder.members, results, strict=True)]
    result.best = result.best or _mean_best(results)
    scored_at = perf_counter()
    classifier = score(config, folder, load_inputs(folder), result)
    for member, more in zip(result.members, classifier.member_scores, strict=True):
        member.scores = {**member.scores, **more}
    add_baselines(config, data, result, classifier=classifier)
    result.seconds["test"] = perf_counter() - scored_at


def _finished(part: RunFolder, data: SequenceDataModule, *, finish: Finish, num: int) -> Result:
    """Return the result of a part after its training.

    num: of parts of this kind.
    """
    before = part.result()
    if before is not None and before.data_fingerprint not in (None, data.fingerprint):
        raise CheckpointError(
            f"{part.name}: the data has changed since it was trained; start a new run"
        )
    is_done = before is not None and before.state == "done"
    state = "done before" if is_done else f"seed {part.config().seed}"
    if num > 1:
        log.info("%s of %d: %s", part.name, num, state)
    elif is_done:
        log.info("%s: %s", part.name, state)
    with _naming(part):
        return finish(part)


@contextmanager
def _naming(part: RunFolder) -> Iterator[None]:
    """Put the name of the part before the message of an error."""
    try:
        yield
    except RunInterruptedError:
        raise
    except UnrolledError as error:
        error.args = (f"{part.name}: {error}", *error.args[1:])
        raise


def _mean_best(results: list[Result]) -> Best | None:
    """Return the monitored score as the mean over the trainings, for a search."""
    best = [one.best for one in results if one.best is not None]
    values = [one.value for one in best if one.value is not None]
    return Best(best[0].monitor, value=fmean(values)) if len(values) == len(results) else None


def _part(part: RunFolder, result: Result) -> Part:
    return Part(
        name=part.name,
        seed=result.seed or 0,
        model=model_name(part.config()),
        num_parameters=result.num_parameters or 0,
        scores=result.scores,
        seconds=result.seconds["fit"],
    )


def _add_up(results: list[Result], total: Result) -> None:
    total.num_steps = (total.num_steps or 0) + sum(one.num_steps or 0 for one in results)
    fit = sum(one.seconds["fit"] for one in results)
    total.seconds["fit"] = total.seconds.get("fit", 0.0) + fit

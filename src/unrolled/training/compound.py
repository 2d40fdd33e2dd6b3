"""Runs of several trainings in one folder: the members of an ensemble, and the folds.

Each training has a run folder of its own in the folder of the run, and is finished, resumed and
recorded like any other run. A member that is fitted rather than trained needs only a best.ckpt
with the weights of a module that returns logits: everything after the training reads those.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import fmean
from time import perf_counter

from omegaconf import DictConfig

from unrolled.building.data import data_shared, load_data, share_data
from unrolled.callbacks.stop_signals import StopSignals
from unrolled.config.values import class_name
from unrolled.errors import CheckpointError, RunInterruptedError, UnrolledError
from unrolled.runs.recording import recording
from unrolled.runs.result import Best, Part, Result
from unrolled.runs.run_folder import RunFolder
from unrolled.training.process import readable_errors
from unrolled.training.trainer import build_trainer, load_ensemble

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
    ):
        _train_members(config, folder, result, finish=finish)
    return result


def _train_members(
    config: DictConfig, folder: RunFolder, result: Result, *, finish: Finish
) -> None:
    data = share_data(folder.members[0].config())
    result.data_fingerprint = data.fingerprint
    result.num_sequences = data.parts.sizes()
    result.baselines = data.baselines
    folder.write_preprocessing(data.preprocessing())
    results = list(_finished(folder.members, result.data_fingerprint, finish=finish))
    result.num_parameters = sum(one.num_parameters or 0 for one in results)
    result.num_steps = sum(one.num_steps or 0 for one in results)
    result.seconds["fit"] = sum(one.seconds["fit"] for one in results)
    result.best = _mean_best(results)
    scored_at = perf_counter()
    result.members = _members(folder, results)
    _score(config, folder, result)
    result.seconds["test"] = perf_counter() - scored_at


def _finished(parts: list[RunFolder], fingerprint: str, *, finish: Finish) -> Iterator[Result]:
    """Yield the result of each part after its training."""
    for part in parts:
        before = part.result()
        if before is not None and before.data_fingerprint not in (None, fingerprint):
            raise CheckpointError(
                f"the data has changed since {part.name} was trained; start a new run"
            )
        log.info("%s of %d, seed %d", part.name, len(parts), part.config().seed)
        with _naming(part):
            yield finish(part)


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


def _members(folder: RunFolder, results: list[Result]) -> list[Part]:
    return [
        Part(
            name=member.name,
            seed=one.seed or 0,
            model=class_name(member.config().model),
            num_parameters=one.num_parameters or 0,
            scores=one.scores,
            seconds=one.seconds["fit"],
        )
        for member, one in zip(folder.members, results, strict=True)
    ]


def _score(config: DictConfig, folder: RunFolder, result: Result) -> None:
    """Add the scores of the ensemble and its members on the validation and the test set."""
    data = load_data(folder.members[0].config())
    classifier = load_ensemble(folder, averages_windows=data.averages_windows)
    config = config.copy()
    config.trainer.enable_progress_bar = False
    trainer = build_trainer(config, folder, callbacks=[], loggers=[])
    if data.parts.val is not None and config.trainer.limit_val_batches != 0:
        (scores,) = trainer.validate(classifier, datamodule=data, verbose=False)
        result.scores |= scores
    if config.test and data.parts.test is not None:
        (scores,) = trainer.test(classifier, datamodule=data, verbose=False)
        result.scores |= scores
        result.confusion = classifier.confusion["test"].tolist()
    for member, more in zip(result.members, classifier.member_scores, strict=True):
        member.scores = {**member.scores, **more}

"""One job of a sweep: it was done before, is resumed, or starts; its result is always written.

A job is identified by its config, the data and the source code. If a folder holds another run under
the same name (an encoder was edited, the data changed), that run is set aside and the job starts.
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from unrolled.config.checks import check_config
from unrolled.config.classes import names_class_of
from unrolled.config.values import config_hash
from unrolled.errors import CheckpointError, ConfigError, RunInterruptedError, UnrolledError
from unrolled.masking import mask
from unrolled.processes import num_processes
from unrolled.runs import manifest
from unrolled.runs.own_packages import edited_packages
from unrolled.runs.provenance import source_hash
from unrolled.runs.result import Result
from unrolled.runs.run_folder import RunFolder, find_run

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How a job ended. The job's process sends it to the process of the sweep.

    value: best value of the monitored score, for example 0.31; None without one.
    before: whether an earlier start of the sweep had finished it.
    """

    folder: str
    state: str
    exit_code: int
    error: str
    value: float | None
    scores: dict[str, float | None]
    seconds: float
    before: bool

    @classmethod
    def failed(
        cls, error: str, *, exit_code: int, state: str = "failed", folder: Path | None = None
    ) -> "Outcome":
        """Return the outcome of a job that was not finished.

        error: the reason, as the table prints it.
        state: failed or interrupted.
        folder: of the job; None if it has none, because its config could not be composed.
        """
        return cls(
            folder="" if folder is None else str(folder),
            state=state,
            exit_code=exit_code,
            error=mask(error),
            value=None,
            scores={},
            seconds=0.0,
            before=False,
        )


def carry_out(config: DictConfig, folder: RunFolder, *, overrides: list[str]) -> Outcome:
    """Finish a job, and return how it ended. No error is raised."""
    try:
        check_config(config)
        _require_one_process(config)
        if config.init_from is not None:
            config.init_from = str(find_run(config.init_from, root=Path("outputs")).path)
        result = _earlier_result(config, folder)
        before = result is not None
        result = result or _finish(config, folder, overrides=overrides)
    except Exception as error:  # recorded; the sweep continues
        log.exception("the job failed")
        return _failed(config, folder, error)
    if config.sweep.keep != "all":
        folder.drop_checkpoints(keep_best=config.sweep.keep == "best")
    return _outcome(folder, result, before=before)


def _require_one_process(config: DictConfig) -> None:
    """Refuse a job on several devices: a sweep runs one job per device."""
    if config.trainer.num_nodes != 1 or num_processes(config.trainer) != 1:
        raise ConfigError(
            f"trainer.devices={config.trainer.devices}: a job of a sweep trains on one device; "
            "use trainer.devices=1"
        )


def _finish(config: DictConfig, folder: RunFolder, *, overrides: list[str]) -> Result:
    """Resume the run in the folder if it has a checkpoint, train a new one if not."""
    from unrolled.training import experiment

    if folder.can_resume:
        with folder.held():
            return experiment.resume(config, folder, overrides=overrides)
    with folder.claimed():
        return experiment.train(config, folder, overrides=overrides)


def _earlier_result(config: DictConfig, folder: RunFolder) -> Result | None:
    """Return the result of an earlier start of the sweep that finished this job, or None.

    If None, the folder is free for a new run or holds one that can be resumed.
    """
    if not (folder.path / "config.yaml").is_file():
        if not folder.last_checkpoint.is_file():  # killed before it wrote its config
            folder.make_free()
        return None
    result = folder.result()
    is_done = result is not None and result.state == "done"
    if not _is_same_run(config, folder):
        if is_done or folder.can_resume:
            log.warning("%s: config, data or source have changed; run again", folder.name)
            folder.set_aside()
        else:
            folder.make_free()
        return None
    if is_done:
        manifest.complete(folder)
        return result
    if not folder.can_resume:
        folder.make_free()
    return None


def _is_same_run(config: DictConfig, folder: RunFolder) -> bool:
    """Return whether a folder holds what the config, today's source and today's data describe."""
    if config_hash(folder.config()) != config_hash(config):
        return False
    before = folder.provenance()
    if before.get("source_hash") != source_hash():
        return False
    if is_edited(config, before):
        return False
    recorded = _recorded_fingerprint(folder)
    if recorded is None:  # it ended before the data was loaded
        return True
    from unrolled.building.data import load_data

    return recorded == load_data(config).fingerprint


def is_edited(config: DictConfig, provenance: dict[str, Any]) -> bool:
    """Return whether an allowed package that a job uses has been edited since it ran.

    provenance: of the run of the job.
    """
    edited = edited_packages(provenance)
    if OmegaConf.is_list(config.ensemble):  # its members may be of any package
        return bool(edited)
    return any(names_class_of(package, config) for package in edited)


def _recorded_fingerprint(folder: RunFolder) -> str | None:
    result = folder.result()
    if result is not None and result.data_fingerprint is not None:
        return result.data_fingerprint
    for part in (*folder.folds, *folder.members):
        if (recorded := _recorded_fingerprint(part)) is not None:
            return recorded
    if not folder.last_checkpoint.is_file():
        return None
    from unrolled.training.experiment import recorded_identity

    try:
        _, checkpoint = folder.newest_checkpoint()
    except CheckpointError:  # damaged: the job starts again
        return ""
    return str(recorded_identity(checkpoint)["data_fingerprint"])


def _outcome(folder: RunFolder, result: Result, *, before: bool) -> Outcome:
    return Outcome(
        folder=str(folder.path),
        state=result.state,
        exit_code=result.exit_code,
        error=result.error or "",
        value=result.best_value,
        scores=result.scores,
        seconds=result.seconds["total"],
        before=before,
    )


def _failed(config: DictConfig, folder: RunFolder, error: Exception) -> Outcome:
    code = error.exit_code if isinstance(error, UnrolledError) else 1
    state = "interrupted" if isinstance(error, RunInterruptedError) else "failed"
    reason = str(error) if isinstance(error, UnrolledError) else f"{type(error).__name__}: {error}"
    if folder.result() is None and not isinstance(error, CheckpointError):  # not another's folder
        record_failure(folder, config=config, state=state, exit_code=code, error=reason)
    return Outcome.failed(reason, exit_code=code, state=state, folder=folder.path)


def record_failure(
    folder: RunFolder, *, config: DictConfig | None, state: str, exit_code: int, error: str
) -> None:
    """Write a result for a job that could not write its own."""
    folder.path.mkdir(parents=True, exist_ok=True)
    if config is not None and not (folder.path / "config.yaml").is_file():
        folder.write_config(config)
    result = folder.result() or Result()
    folder.write_result(
        replace(result, state=state, exit_code=exit_code, error=error, scores={}, seconds={})
    )

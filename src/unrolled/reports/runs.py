"""Run folders as rows: what was set, how it ended, what was scored."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from unrolled.config.compound import ALL_FOLDS
from unrolled.config.values import data_name, identity_of, leaves, model_name
from unrolled.errors import ConfigError, UnrolledError
from unrolled.runs import manifest
from unrolled.runs.result import Result
from unrolled.runs.run_folder import RunFolder, find_runs

log = logging.getLogger(__name__)

# What a run is repeated over: runs that differ in nothing else are one setting.
REPEATED = ("seed", "data.fold", "data.test_fold")

# What reading a damaged folder raises, or one of another program that has a config.yaml.
UNREADABLE = (
    UnrolledError,
    OmegaConfBaseException,
    yaml.YAMLError,
    OSError,
    AssertionError,
    AttributeError,
    KeyError,
    TypeError,
)

UNFINISHED = Result(state="unfinished", error="it was killed, or is still running")


@dataclass(frozen=True)
class Run:
    """One run folder.

    state: done, failed, interrupted or unfinished (killed, or still running).
    error: why it is not done; empty if it is.
    settings: what it computes, dotted key -> value; where and how it ran is left out.
    data_name: of a data set, or of a file.
    baselines: score of the predictors that were fitted on the same data: on the test set, or on
        what folds hold out.
    num_sequences: per split; empty if the data was not loaded.
    seconds: of the whole run; 0 if it did not come to its end.
    """

    path: Path
    state: str
    exit_code: int | None
    error: str
    settings: dict[str, Any]
    scores: dict[str, float]
    best: float | None
    data_name: str
    baselines: dict[str, float]
    num_parameters: int | None
    num_sequences: dict[str, int]
    seconds: float
    data_fingerprint: str

    @cached_property
    def config(self) -> DictConfig:
        """The config of the run, which is read when it is first used."""
        return RunFolder(self.path).config()

    @property
    def repeat(self) -> tuple[Any, ...]:
        """Seed, folds and data: two settings can be compared run by run where these agree."""
        return (*(self.settings.get(key) for key in REPEATED), self.data_fingerprint)

    @property
    def setting(self) -> str:
        """Settings that are equal in runs which differ in seed or fold only."""
        kept = {
            key: value
            for key, value in self.settings.items()
            if key not in REPEATED or value == ALL_FOLDS
        }
        return json.dumps(kept, sort_keys=True, default=str)


def read_runs(places: Sequence[Path]) -> list[Run]:
    """Return the runs in and under some folders, sorted by path, each once.

    A folder that cannot be read is logged and skipped.

    Raises:
        ConfigError: a folder without a run, or no run can be read.
    """
    found: dict[Path, RunFolder] = {}
    for place in places:
        folders = list(find_runs(place))
        if not folders:
            raise ConfigError(f"no run in or under {place}; `unrolled list` shows runs")
        found |= {folder.path: folder for folder in folders}
    runs = []
    for path in sorted(found):
        try:
            runs.append(read_run(found[path]))
        except UNREADABLE as error:
            log.warning("%s", skipped(found[path], error))
    if not runs:
        raise ConfigError(f"no run in or under {', '.join(map(str, places))} can be read")
    return runs


def skipped(folder: RunFolder, error: Exception) -> str:
    """Return the line that names a run folder that cannot be read."""
    reason = f"config.yaml has no {error}" if isinstance(error, KeyError) else error
    return " ".join(f"skipped {folder.path}: {reason}".split())


def read_run(folder: RunFolder) -> Run:
    """Return what one folder holds.

    Raises:
        CheckpointError: it is not a run.
    """
    manifest.require_unchanged(folder, manifest.FOR_REPORTS)
    result = folder.result() or UNFINISHED
    plain, folds = folder.plain_config(), result.cross_validation
    return Run(
        path=folder.path,
        state=result.state,
        exit_code=None if result is UNFINISHED else result.exit_code,
        error=result.error or "",
        data_name=data_name(plain),
        settings=_settings(plain),
        scores={name: value for name, value in result.scores.items() if value is not None},
        best=result.best_value,
        baselines=result.baselines if folds is None else folds.baselines,
        num_parameters=result.num_parameters,
        num_sequences=result.num_sequences,
        seconds=result.seconds.get("total", 0.0),
        data_fingerprint=result.data_fingerprint or "",
    )


def _settings(plain: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that determine the result, by dotted key.

    plain: the config as plain values, which is changed.

    Recipes are left out: a run uses them only through other settings, such as optimizer.lr. The
    class of a stack is the class of its layer. An ensemble of named models has their names in place
    of the settings of the model, which it does not use.
    """
    settings = {
        key: value
        for key, value in leaves(identity_of(plain))
        if "recipe" not in key.split(".")[:-1]
    }
    if "model.layer._target_" in settings:
        settings["model._target_"] = settings.pop("model.layer._target_")
        del settings["model.layer._partial_"]
    if isinstance(settings.get("ensemble"), list):
        settings = {key: value for key, value in settings.items() if not key.startswith("model.")}
        settings |= {"model._target_": model_name(plain), "ensemble": len(plain["ensemble"])}
    return settings

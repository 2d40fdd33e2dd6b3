"""Run folders as rows: what was set, how it ended, what was scored."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from unrolled.config.values import identity, leaves
from unrolled.errors import ConfigError
from unrolled.runs.result import Result
from unrolled.runs.run_folder import RunFolder, find_runs

# What a run is repeated over: runs that differ in nothing else are one setting.
REPEATED = ("seed", "data.fold")

UNFINISHED = Result(state="unfinished", error="it was killed, or is still running")


@dataclass(frozen=True)
class Run:
    """One run folder.

    state: done, failed, interrupted or unfinished (killed, or still running).
    error: why it is not done; empty if it is.
    settings: what it computes, dotted key -> value; where and how it ran is left out.
    seconds: of the whole run; 0 if it did not come to its end.
    """

    path: Path
    state: str
    exit_code: int | None
    error: str
    config: DictConfig
    settings: dict[str, Any]
    scores: dict[str, float]
    best: float | None
    num_parameters: int | None
    seconds: float
    data_fingerprint: str

    @property
    def repeat(self) -> tuple[Any, ...]:
        """Seed, fold and data: two settings can be compared run by run where these agree."""
        return (*(self.settings.get(key) for key in REPEATED), self.data_fingerprint)

    @property
    def setting(self) -> str:
        """What the run shares with those that differ from it in seed or fold only."""
        kept = {key: value for key, value in self.settings.items() if key not in REPEATED}
        return json.dumps(kept, sort_keys=True, default=str)


def read_runs(places: Iterable[Path]) -> list[Run]:
    """Return the runs in and under some folders, by path, each once.

    Raises:
        ConfigError: a folder without a run.
    """
    found: dict[Path, RunFolder] = {}
    for place in places:
        folders = list(find_runs(place))
        if not folders:
            raise ConfigError(f"no run in or under {place}; `unrolled list` shows runs")
        found |= {folder.path: folder for folder in folders}
    return [read_run(found[path]) for path in sorted(found)]


def read_run(folder: RunFolder) -> Run:
    """Return what one folder holds.

    Raises:
        CheckpointError: it is not a run.
    """
    config, result = folder.config(), folder.result() or UNFINISHED
    settings = _settings(config)
    return Run(
        path=folder.path,
        state=result.state,
        exit_code=None if result is UNFINISHED else result.exit_code,
        error=result.error or "",
        config=config,
        settings=settings,
        scores={name: value for name, value in result.scores.items() if value is not None},
        best=result.best_value,
        num_parameters=result.num_parameters,
        seconds=result.seconds.get("total", 0.0),
        data_fingerprint=result.data_fingerprint or "",
    )


def _settings(config: DictConfig) -> dict[str, Any]:
    """Return what a run computes by dotted key; the class of a stack's layer is the model's."""
    settings = dict(leaves(identity(config)))
    if "model.layer._target_" in settings:
        settings["model._target_"] = settings.pop("model.layer._target_")
        del settings["model.layer._partial_"]
    return settings

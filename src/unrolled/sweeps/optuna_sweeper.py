"""Searches settings with Optuna's ask-and-tell interface.

The sampler is TPE (Bergstra et al. 2011) with constant liar: it assumes a bad value for trials
that still run, so that parallel trials differ. The settings of trial n are a function of
(seed, n) and of the earlier trials, so the study is the only state of a search.
"""

import json
import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    ChoiceSweep,
    IntervalSweep,
    Override,
    RangeSweep,
)
from hydra.core.plugins import Plugins
from hydra.core.utils import JobStatus
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from unrolled.config.checks import check_config
from unrolled.errors import ConfigError
from unrolled.sweeps.ending import ending_in_a_table
from unrolled.sweeps.forked_launcher import ForkedLauncher, describe
from unrolled.sweeps.search import make_study, running_trial, write_best

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution

log = logging.getLogger(__name__)

NOT_SEARCHED = (
    *("seed", "test", "data.fold", "data.test_fold", "data.split_seed"),
    *("monitor.metric", "monitor.mode"),
)


class OptunaSweeper(Sweeper):
    """Searches what conf/sweep/optuna.yaml and the command line describe, on val."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Remember what Hydra gives to every sweeper."""
        self.settings = config
        self.loader = hydra_context.config_loader
        self.launcher: Launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Try as many settings as are wanted, and write down the best.

        Raises:
            ConfigError: something that cannot or must not be searched.
        """
        fixed, space = self._space(arguments)
        distributions = {key: distribution(key, values) for key, values in space.items()}
        examples = [f"{key}={_example(values)}" for key, values in distributions.items()]
        example = self.loader.load_sweep_config(self.settings, [*fixed, *examples])
        with open_dict(example):
            example.pop("hydra")
        check_config(example)  # errors that every trial would have are raised before the first
        folder = Path(self.settings.hydra.sweep.dir).absolute()
        monitor = self.settings.monitor
        with make_study(
            folder,
            direction="minimize" if monitor.mode == "min" else "maximize",
            definition={"fixed": _kept(fixed), "space": space, "monitor": dict(monitor)},
        ) as study:
            OmegaConf.save(self.settings, folder / "multirun.yaml")
            with ending_in_a_table(self.settings, metric=monitor.metric, tolerant=True):
                try:
                    self._search(study, fixed, distributions)
                finally:
                    _write_best(study, folder, fixed=fixed, metric=monitor.metric)

    def _space(self, arguments: list[str]) -> tuple[list[str], dict[str, str]]:
        """Return what stays as it is, and what is searched: key -> values, as they are typed."""
        typed = OverridesParser.create().parse_overrides(arguments)
        space = {str(key): str(value) for key, value in self.settings.sweep.space.items()}
        fixed = []
        for override in typed:
            key = override.get_key_element()
            space.pop(key, None)
            if override.is_sweep_override():
                space[key] = str(override.input_line).split("=", 1)[1]
            else:
                fixed.append(f"{key}={override.get_value_element_as_str()}")
        for key in space:
            if key in NOT_SEARCHED:
                raise ConfigError(f"{key}={space[key]}: a search compares settings, give one value")
        if any(word in ("test=true", "test=True") for word in fixed):
            raise ConfigError("test=true: a search reads val only; test=true when it has ended")
        if not space:
            raise ConfigError("nothing to search: model.hidden_size=32,64 or search@sweep.space=")
        return [word for word in fixed if not word.startswith("search@")], space

    def _search(
        self, study: "Study", fixed: list[str], distributions: "dict[str, BaseDistribution]"
    ) -> None:
        trials: list[Trial] = []

        def jobs() -> Iterator[list[str]]:
            for trial in self._trials(study, distributions):
                trials.append(trial)
                chosen = [f"{key}={quoted(value)}" for key, value in trial.params.items()]
                yield [*fixed, "test=false", f"sweep.trial={trial.number}", *chosen]

        for number, state, value, told in self._carry_out(jobs()):
            trial = trials[number]
            chosen = " ".join(f"{key}={value}" for key, value in trial.params.items())
            position = f"{trial.number + 1}/{self.settings.sweep.num_trials}"
            log.info("[%s] trial-%d %s: %s", position, trial.number, chosen, told)
            if state != "interrupted":  # else it is gone on with when the search is
                _tell(study, trial, value if state == "done" else None)

    def _trials(
        self, study: "Study", distributions: "dict[str, BaseDistribution]"
    ) -> "Iterator[Trial]":
        """Yield trials that an earlier start has not ended, then new ones."""
        from optuna.samplers import TPESampler

        for number in range(len(study.get_trials(deepcopy=False))):
            trial = running_trial(study, number)
            if trial is not None:
                yield trial
        while (number := len(study.get_trials(deepcopy=False))) < self.settings.sweep.num_trials:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that constant_liar is experimental
                study.sampler = TPESampler(
                    seed=_mix(self.settings.sweep.seed, number),
                    n_startup_trials=self.settings.sweep.startup_trials,
                    constant_liar=True,
                )
            yield study.ask(distributions)

    def _carry_out(self, jobs: Iterator[list[str]]) -> Iterator[tuple[int, str, float | None, str]]:
        """Yield number, state, value and a line for each job that has ended."""
        if isinstance(self.launcher, ForkedLauncher):
            for number, outcome in self.launcher.stream(jobs):
                yield number, outcome.state, outcome.value, describe(outcome)
            return
        first = 0
        while batch := list(islice(jobs, self.settings.sweep.trials_at_once)):
            returns = self.launcher.launch(batch, initial_job_idx=first)
            for number, done in enumerate(returns, start=first):
                is_done = done.status == JobStatus.COMPLETED
                value = done.return_value if is_done else None
                yield number, "done" if is_done else "failed", value, f"{value}"
            first += len(batch)


def distribution(key: str, values: str) -> "BaseDistribution":
    """Return Optuna's distribution for what Hydra calls a sweep.

    values: a,b,c or choice(a,b,c); range(1,5) without its end; interval(a,b); int(interval(a,b)) of
        whole numbers; tag(log,interval(a,b)).

    Raises:
        ConfigError: none of these.
    """
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    (override,) = OverridesParser.create().parse_overrides([f"{key}={values}"])
    sweep = override.value()
    if isinstance(sweep, ChoiceSweep):
        return CategoricalDistribution(_words(override))
    if isinstance(sweep, IntervalSweep | RangeSweep):
        low, high = sweep.start, sweep.stop if isinstance(sweep, RangeSweep) else sweep.end
        is_log = "log" in sweep.tags
        if low is None or high is None or low >= high or (is_log and low <= 0):
            raise ConfigError(f"{key}={values}: need a < b, and a > 0 on a log scale")
        if isinstance(sweep, RangeSweep):
            return CategoricalDistribution(_words(override))
        if isinstance(low, int) and isinstance(high, int):
            return IntDistribution(low, high, log=is_log)
        return FloatDistribution(float(low), float(high), log=is_log)
    raise ConfigError(f"{key}={values}: need choice(...), range(...) or interval(...)")


def quoted(value: Any) -> str:
    """Return a value as it is typed: words stay as they were."""
    return value if isinstance(value, str) else json.dumps(value)


def _example(values: "BaseDistribution") -> str:
    """Return a value that can be tried, to see whether there is such a key."""
    from optuna.distributions import CategoricalDistribution

    is_choice = isinstance(values, CategoricalDistribution)
    return quoted(values.choices[0] if is_choice else values.low)  # type: ignore[attr-defined]


def _kept(fixed: list[str]) -> list[str]:
    """Return the typed overrides without the ones that define the search or its values."""
    keys = [word.split("=")[0] for word in fixed]
    return [
        word
        for word, key in zip(fixed, keys, strict=True)
        if key not in NOT_SEARCHED
        and not key.lstrip("~").startswith(("sweep", "callbacks.pruning"))
    ]


def _words(override: Override) -> Sequence[str]:
    return tuple(override.sweep_string_iterator())


def _mix(*numbers: int) -> int:
    from unrolled.seeding import mix

    return mix(*numbers) % 2**32


def _tell(study: "Study", trial: "Trial", value: float | None) -> None:
    from optuna.trial import TrialState

    frozen = study.get_trials(deepcopy=False)[trial.number]
    if value is None or not math.isfinite(value):
        study.tell(trial, state=TrialState.FAIL)
    elif frozen.user_attrs.get("pruned"):
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, value)


def _write_best(study: "Study", folder: Path, *, fixed: list[str], metric: str) -> None:
    from optuna.trial import TrialState

    if not any(trial.state == TrialState.COMPLETE for trial in study.get_trials(deepcopy=False)):
        return
    best = study.best_trial
    chosen = [f"{key}={quoted(value)}" for key, value in best.params.items()]
    assert best.value is not None
    write_best(folder, metric=metric, value=best.value, overrides=[*_kept(fixed), *chosen])
    log.info("best: trial-%d, %s %.6g: %s", best.number, metric, best.value, " ".join(chosen))

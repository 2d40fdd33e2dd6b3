"""`unrolled train [key=value ...]`: one run, or with -m a sweep; a Hydra application."""

import os
import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import configure_log
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict, read_write

from unrolled.building.instantiation import prepare_source
from unrolled.commands.arguments import quote_names, take
from unrolled.config import working_folder
from unrolled.config.checks import check_config
from unrolled.config.composition import CONF, compose_config
from unrolled.config.values import register_resolvers
from unrolled.errors import ConfigError, RunInterruptedError, SweepError, UnrolledError
from unrolled.runs.durable import naming_storage
from unrolled.runs.run_folder import RunFolder
from unrolled.sweeps.search import best_overrides

register_resolvers()  # also in a process that another machine starts with `task`
_errors: list[UnrolledError] = []  # of the job of a single run


def run(arguments: list[str]) -> None:
    """Compose, check, and hand over to Hydra.

    Raises:
        UnrolledError: whatever keeps the run from being done.
    """
    working_folder.register()
    arguments = quote_names(_with_best(arguments))
    if not any(argument.startswith("-") for argument in arguments):
        config = compose_config(arguments)
        if "space" in config.sweep:
            raise ConfigError("sweep=optuna: a search is many runs; unrolled train -m sweep=optuna")
        if any(argument.startswith("hydra.run.dir=") for argument in arguments):
            RunFolder(config.hydra.run.dir).require_free()  # before Hydra writes into it
        check_config(_without_hydra(config))  # before a folder is made
        prepare_source(config)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises rather than exits; cli.py explains
    completing = "-sc" in arguments or "--shell-completion" in arguments
    sys.argv = ["unrolled" if completing else "unrolled train", *arguments]
    _errors.clear()
    with naming_storage():
        hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")(task)()
    if _errors:
        raise _errors[0]


def _with_best(arguments: list[str]) -> list[str]:
    """Return the arguments with from=SWEEP/best.yaml replaced by what it holds and is not typed."""
    path, typed = take(arguments, "from")
    if path is None:
        return arguments
    keys = {argument.split("=")[0] for argument in typed}
    found = [word for word in best_overrides(Path(path)) if word.split("=")[0] not in keys]
    place = arguments.index(f"from={path}")
    return [*arguments[:place], *found, *arguments[place + 1 :]]


def task(config: DictConfig) -> float | None:
    """Carry out one job of Hydra's; return the best value of the monitored score."""
    settings = HydraConfig.get()
    folder = RunFolder(settings.runtime.output_dir)
    overrides = list(settings.overrides.task)
    if settings.mode != RunMode.MULTIRUN:
        try:
            return train(config, folder, overrides=overrides)
        except UnrolledError as error:
            _errors.append(error)  # kept from Hydra, which would add a message of its own
            return None
    from unrolled.sweeps.jobs import carry_out

    outcome = carry_out(config, folder, overrides=overrides)
    if outcome.state == "interrupted":  # in the sweep's own process: it ends the sweep
        raise KeyboardInterrupt
    if outcome.state != "done":
        raise SweepError(outcome.error)
    return outcome.value


def train_here(overrides: list[str]) -> Path:
    """Carry out one run without Hydra's command line, for notebooks; return its folder."""
    config = compose_config(quote_names(overrides))
    HydraConfig.instance().set_config(config)  # names the folder
    path = Path(config.hydra.run.dir).absolute()
    with naming_storage():
        path.mkdir(parents=True, exist_ok=True)
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.runtime.output_dir = str(path)  # job_logging writes there
    configure_log(config.hydra.job_logging)
    train(_without_hydra(config), RunFolder(path), overrides=overrides)
    return path


def train(config: DictConfig, folder: RunFolder, *, overrides: list[str]) -> float | None:
    """Train, show the scores, and return the best value of the monitored score."""
    check_config(config)
    with folder.claimed():
        from unrolled.reports.terminal import show_scores
        from unrolled.training import experiment

        try:
            result = experiment.train(config, folder, overrides=overrides)
        except RunInterruptedError:
            print(f"run: {folder.path}", flush=True)
            raise
    show_scores(result)
    print(f"run: {folder.path}", flush=True)
    return result.best_value


def _without_hydra(config: DictConfig) -> DictConfig:
    with open_dict(config):
        config.pop("hydra")
    return config

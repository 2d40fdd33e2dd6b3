"""`unrolled train [key=value ...]`: train one run, or with -m every run of a sweep."""

import io
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

from hydra._internal.callbacks import Callbacks
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import run_job
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig

from unrolled.commands.arguments import quote_names, take
from unrolled.config.checks import check_config
from unrolled.config.classes import allowed_packages, allowing, own_folders
from unrolled.config.composition import (
    CONFIG_NAME,
    compose_job,
    hydra_in_conf,
    options_folder,
    options_from,
    without_hydra,
)
from unrolled.config.compound import is_compound, part_configs
from unrolled.config.effects import check_effects
from unrolled.data.sources.early_checks import check_files
from unrolled.errors import ConfigError, RunInterruptedError, SweepError, UnrolledError
from unrolled.output import echo
from unrolled.processes import is_helper, private_copy, with_helpers
from unrolled.runs.durable import naming_storage
from unrolled.runs.run_folder import RunFolder, find_run
from unrolled.sweeps.search import best_overrides


def run(arguments: list[str]) -> None:
    """Train one run, start a sweep (-m), or print Hydra's help, config or completions.

    Raises:
        UnrolledError: the run or the sweep failed.
    """
    parser = get_args_parser()
    args = parser.parse_args(quote_names(_with_best(arguments)))
    if args.config_name or args.config_path:
        raise ConfigError(
            "--config-name, --config-path: the config is always conf/train.yaml; "
            "--config-dir=DIR adds a folder of options to it"
        )
    reports = args.help or args.hydra_help or args.shell_completion or args.cfg or args.info
    with options_from(args.config_dir):
        if not reports and not args.multirun:
            _train_single(args.overrides)
        else:
            _sweep_or_report(args, parser)


def _sweep_or_report(args: Namespace, parser: ArgumentParser) -> None:
    with hydra_in_conf() as hydra, naming_storage():
        if args.help:
            hydra.app_help(CONFIG_NAME, args_parser=parser, args=args)
        elif args.hydra_help:
            hydra.hydra_help(CONFIG_NAME, args_parser=parser, args=args)
        elif args.shell_completion:
            hydra.shell_completion(CONFIG_NAME, overrides=args.overrides)
        elif args.cfg or args.info:
            with redirect_stdout(io.StringIO()) as shown:  # --resolve would print secrets
                if args.cfg:
                    hydra.show_cfg(
                        CONFIG_NAME, args.overrides, args.cfg, args.package, args.resolve
                    )
                else:
                    hydra.show_info(args.info, CONFIG_NAME, args.overrides)
            echo(shown.getvalue().rstrip("\n"))
        else:
            job = partial(
                sweep_job,
                allow=allowed_packages(),
                config_dir=options_folder(),
                path=own_folders(),
            )
            hydra.multirun(CONFIG_NAME, job, [*args.overrides, "hydra.mode=MULTIRUN"])


def train_here(overrides: list[str]) -> Path:
    """Train one run, as `unrolled train` does, and return its folder."""
    return _train_single(quote_names(_with_best(overrides)))


def sweep_job(
    config: DictConfig, *, allow: Sequence[str], config_dir: str | None, path: Sequence[str]
) -> float | None:
    """Carry out one job of a sweep, and return the best value of the monitored score.

    allow, config_dir: as in the command of the sweep. A worker on another machine gets them with
        this function, and not from a file.
    path: folders that the command added to sys.path.

    Raises:
        SweepError: the job failed; its folder records why.
        KeyboardInterrupt: the job was interrupted, in the sweep's own process.
    """
    from unrolled.sweeps.jobs import carry_out

    settings = HydraConfig.get()
    folder = RunFolder(settings.runtime.output_dir)
    sys.path += [entry for entry in path if entry not in sys.path]
    with allowing(allow), options_from(config_dir):
        outcome = carry_out(config, folder, overrides=list(settings.overrides.task))
    if outcome.state == "interrupted":
        raise KeyboardInterrupt
    if outcome.state != "done":
        raise SweepError(outcome.error)
    return outcome.value


def _with_best(arguments: list[str]) -> list[str]:
    """Return the arguments with from=SWEEP/best.yaml replaced by the overrides in that file.

    An override that is also typed takes the typed value.
    """
    path, typed = take(arguments, "from")
    if path is None:
        return arguments
    keys = {argument.split("=")[0] for argument in typed}
    found = [word for word in best_overrides(Path(path)) if word.split("=")[0] not in keys]
    place = arguments.index(f"from={path}")
    return [*arguments[:place], *found, *arguments[place + 1 :]]


def _train_single(overrides: list[str]) -> Path:
    """Compose and check a config, make its run folder as Hydra does, and train in it."""
    config, loader = compose_job(overrides)
    if "space" in config.sweep:
        raise ConfigError("sweep=optuna: a search is many runs; unrolled train -m sweep=optuna")
    if config.hydra.mode == RunMode.MULTIRUN:
        raise ConfigError("hydra.mode=MULTIRUN: a sweep is started with `unrolled train -m`")
    config.hydra.mode = RunMode.RUN
    plain = without_hydra(config)
    check_config(plain)  # before torch is imported and a folder is made
    check_effects(plain, overrides)
    if is_compound(plain):
        part_configs(plain, overrides=overrides)  # models that `ensemble` names must exist
    if is_helper():
        return _train_as_helper(plain, overrides)
    HydraConfig.instance().set_config(config)  # hydra.run.dir refers to it
    folder = RunFolder(config.hydra.run.dir)
    folder.require_free()
    if plain.init_from is not None:
        find_run(plain.init_from, root=Path("outputs")).require_best_checkpoint()
    check_files(plain.data)
    from unrolled.building.source import prepare_source

    prepare_source(plain)
    context = HydraContext(config_loader=loader, callbacks=Callbacks(config))
    more = [] if options_folder() is None else [f"--config-dir={options_folder()}"]
    with (
        naming_storage(),
        folder.claimed(),  # before Hydra writes to it
        with_helpers(["train", *more, *overrides], plain.trainer),
    ):
        done = run_job(
            _train_job,
            config,
            job_dir_key="hydra.run.dir",
            job_subdir_key=None,
            hydra_context=context,
        )
        if isinstance(done.return_value, UnrolledError):
            raise done.return_value
    return folder.path


def _train_as_helper(config: DictConfig, overrides: list[str]) -> Path:
    """Train as a further process of a run on several devices."""
    from unrolled.training import experiment

    with private_copy(None) as path:
        experiment.train(config, RunFolder(path), overrides=overrides)
    return path


def _train_job(config: DictConfig) -> UnrolledError | None:
    """Train and test in the run folder, which is claimed, and print the scores.

    An error is returned because Hydra would print a message of its own if it was raised.
    """
    from unrolled.reports.terminal import show_scores
    from unrolled.training import experiment

    settings = HydraConfig.get()
    folder = RunFolder(settings.runtime.output_dir)
    try:
        result = experiment.train(config, folder, overrides=list(settings.overrides.task))
    except RunInterruptedError as error:
        echo(f"run: {folder.path}")
        return error
    except UnrolledError as error:
        return error
    show_scores(result, config=config)
    echo(f"run: {folder.path}")
    return None

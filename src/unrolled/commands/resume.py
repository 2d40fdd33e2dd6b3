"""`unrolled resume run=DIR [trainer.max_epochs=40]`: continue a run in its own folder.

run=latest is the newest run under outputs, or under root=DIR. A run continues from its last
checkpoint with its own settings; you may change its length, its hardware and its display, for
example trainer.max_epochs=40, trainer.accelerator=cpu or logger=none.
"""

from contextlib import chdir
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import configure_log
from omegaconf import DictConfig, open_dict, read_write

from unrolled.commands.arguments import take
from unrolled.config.changes import refuse_changes
from unrolled.config.checks import check_config
from unrolled.config.composition import compose_config, override_keys
from unrolled.config.values import is_longer, resolve
from unrolled.data.files.paths import folder_of_data
from unrolled.errors import ConfigError, RunInterruptedError
from unrolled.output import echo
from unrolled.processes import is_helper, private_copy, with_helpers
from unrolled.runs import manifest
from unrolled.runs.run_folder import RunFolder, find_run, find_runs

KEY = "calibration"  # a finished run can still be calibrated


def run(arguments: list[str]) -> None:
    """Continue a run; settings that are not overridden come from its folder.

    Raises:
        UnrolledError: there is no such run, it has no checkpoint, or a setting is changed that
            cannot change on resume.
    """
    name, rest = take(arguments, "run")
    root, rest = take(rest, "root")
    if name is None:
        raise ConfigError("resume needs run=DIR or run=latest; `unrolled list` shows runs")
    folder = _newest(Path(root or "outputs")) if name == "latest" else find_run(name, root=Path())
    before = folder.config()
    config = override_keys(before, rest)
    refuse_changes(resolve(before), resolve(config))
    check_config(config)
    result = folder.result()
    is_same = not is_longer(before, config) and before.get(KEY) == config.get(KEY)
    if result is not None and result.state == "done" and is_same:
        manifest.complete(folder)
        length = "" if result.num_epochs is None else f"{result.num_epochs} epochs, "
        echo(f"already complete: {length}{result.num_steps} steps")
    else:
        folder.require_checkpoint()
        if is_helper():
            _resume_as_helper(config, folder, rest)
            return
        words = ["resume", f"run={folder.path}", *rest]
        with (
            folder.held(),
            chdir(folder_of_data(config.data, started_in=folder.started_in)),
            with_helpers(words, config.trainer),
        ):
            _log_into(folder)
            from unrolled.training import experiment

            try:
                result = experiment.resume(config, folder, overrides=rest)
            except RunInterruptedError:
                echo(f"run: {folder.path}")
                raise
    from unrolled.reports.terminal import show_scores

    show_scores(result, config=config)
    echo(f"run: {folder.path}")


def _resume_as_helper(config: DictConfig, folder: RunFolder, overrides: list[str]) -> None:
    """Resume as a further process of a run on several devices."""
    from unrolled.training import experiment

    with private_copy(folder.path) as path:
        experiment.resume(config, RunFolder(path), overrides=overrides)


def _newest(root: Path) -> RunFolder:
    folder = next(find_runs(root), None)
    if folder is None:
        raise ConfigError(f"there is no run under {root}; `unrolled train` makes one")
    return folder


def _log_into(folder: RunFolder) -> None:
    """Log to the terminal and to the run's train.log, as when it was started."""
    config = compose_config([])
    HydraConfig.instance().set_config(config)  # job_logging refers to it
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.runtime.output_dir = str(folder.path)
    configure_log(config.hydra.job_logging)

"""The end of a sweep: prints the table, removes checkpoints, and names the command to continue."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from unrolled.errors import ConfigError, RunInterruptedError, SweepError
from unrolled.output import echo
from unrolled.reports.runs import Run, read_runs
from unrolled.runs.durable import PRIVATE
from unrolled.runs.run_folder import RunFolder, find_runs


@contextmanager
def ending_in_a_table(config: DictConfig, *, metric: str | None, tolerant: bool) -> Iterator[None]:
    """Run a sweep in this context, and print its table even if jobs failed.

    The table is read from the run folders, so that it is the same for every launcher.

    metric: what rows are compared by; None for test/accuracy.
    tolerant: whether jobs may fail, as long as one is done.

    Raises:
        SweepError: jobs are not done.
        RunInterruptedError: a signal ended the sweep.
        ConfigError: no job can be composed; nothing was started.
    """
    folder = Path(config.hydra.sweep.dir).absolute()
    stopped: Exception | None = None
    try:
        yield
    except (ConfigError, HydraException, OmegaConfBaseException):
        raise
    except Exception as error:  # noqa: BLE001 - its folder records a job's error; others are raised below
        stopped = error
    finally:
        with suppress(FileNotFoundError):  # Hydra has written it
            (folder / "multirun.yaml").chmod(PRIVATE)
    if not any(find_runs(folder)):
        raise stopped or SweepError(f"{folder}: no job has written a run folder")
    runs = read_runs([folder])
    if config.sweep.keep == "best":
        keep_best(runs)
    from unrolled.reports.report import report  # loads for a second

    report(
        [folder],
        metric=metric if any(metric in run.scores for run in runs) else None,
        sort=None,
        group=[],
        conditions=[],
        with_baselines=stopped is None,
        folder=folder,
    )
    num_left = sum(run.state != "done" for run in runs)
    if num_left or stopped is not None:
        echo(f"to continue, repeat the command with hydra.sweep.dir={folder}", is_error=True)
    echo(f"sweep: {folder}")
    if isinstance(stopped, RunInterruptedError):
        raise stopped
    if num_left and not (tolerant and num_left < len(runs)):
        raise SweepError(f"{num_left} of {len(runs)} jobs are not done") from stopped
    if stopped is not None:
        raise stopped


def keep_best(runs: Sequence[Run]) -> None:
    """Keep the best checkpoint of the best run of each setting, and remove all others."""
    settings: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        if run.state == "done":
            settings[run.setting].append(run)
    for members in settings.values():
        scored = [run for run in members if run.best is not None]
        sign = 1 if members[0].config.monitor.mode == "min" else -1
        best = min(scored, key=lambda run: sign * (run.best or 0.0), default=members[0])
        for run in members:
            RunFolder(run.path).drop_checkpoints(keep_best=run is best)

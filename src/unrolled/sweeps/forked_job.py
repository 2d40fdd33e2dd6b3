"""The process of one job, forked by `unrolled.sweeps.forked_launcher`."""

import ctypes
import os
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import run_job, setup_globals
from hydra.errors import HydraException
from hydra.types import HydraContext
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from unrolled.errors import STOP_SIGNALS, ConfigError
from unrolled.runs.run_folder import RunFolder
from unrolled.sweeps.jobs import Outcome, carry_out

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def run_forked(
    connection: Connection,
    context: HydraContext,
    sweep_config: DictConfig,
    overrides: list[str],
    *,
    number: int,
    slots: int,
    gpu: str | None,
    parent: int,
) -> None:
    """Run one job in this process, which was forked for it.

    connection: receives the path of the job's folder, then its outcome; only the outcome if the
        config cannot be composed.
    number: of the job, counted from 0.
    slots: how many jobs run at once.
    gpu: index of the GPU to use, for example "0"; None for no choice.
    parent: id of the process that forked this one.
    """
    os.setpgid(0, 0)  # Ctrl-C reaches the launcher, which sends it to the jobs
    for name in STOP_SIGNALS:
        signal.signal(signal.Signals[name], signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if not _dies_with(parent):
        return
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    import torch

    torch.set_num_threads(max((os.cpu_count() or 1) // slots, 1))  # unless num_threads is set
    setup_globals()
    try:
        config = context.config_loader.load_sweep_config(sweep_config, overrides)
    except (HydraException, OmegaConfBaseException) as error:
        connection.send(Outcome.failed(str(error), exit_code=ConfigError.exit_code))
        return
    with open_dict(config):
        config.hydra.job.id = config.hydra.job.num = number
    folder = _folder(config)
    folder.path.mkdir(parents=True, exist_ok=True)
    connection.send(str(folder.path))
    _write_output_to(folder.path / "output.log")
    job_overrides = list(config.hydra.overrides.task)

    def task(config: DictConfig) -> None:
        connection.send(carry_out(config, folder, overrides=job_overrides))

    run_job(
        hydra_context=context,
        task_function=task,
        config=config,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )


def _folder(config: DictConfig) -> RunFolder:
    """Return the folder of a job whose config Hydra has composed."""
    HydraConfig.instance().set_config(config)
    return RunFolder(Path(config.hydra.sweep.dir) / config.hydra.sweep.subdir)


def _dies_with(parent: int) -> bool:
    """Let the system kill this process when its parent ends; return False if it has ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    return os.getppid() == parent


def _write_output_to(path: Path) -> None:
    """Redirect everything that this process prints to a file."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in (1, 2):
        os.dup2(file, number)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)

"""Runs on several devices: one process for each, of which the first alone has the run folder.

`unrolled train trainer.devices=2` starts the further processes itself, with the same command.
torchrun and srun can start all of them, also on several machines. A further process works in a copy
of the run folder that it deletes at its end, and prints nothing.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from unrolled.config.classes import allow_words, own_folders
from unrolled.errors import ConfigError

SECONDS_TO_END = 60  # for a further process, after the first one is done
NOT_COPIED = ("*.tmp", ".*", "events.out.*", "tensorboard", "train.log")


def was_launched() -> bool:
    """Return whether all processes of the run are started from outside, or by `with_helpers`."""
    by_srun = "SLURM_STEP_ID" in os.environ and _number("SLURM_NTASKS", 1) > 1
    return by_srun or "LOCAL_RANK" in os.environ


def is_helper() -> bool:
    """Return whether this is a further process of a run, not the first one."""
    names = ("RANK", "LOCAL_RANK") if "LOCAL_RANK" in os.environ else ("SLURM_PROCID",)
    return was_launched() and any(_number(name, 0) > 0 for name in names)


def num_processes(trainer: DictConfig) -> int:
    """Return how many processes a run needs on this machine.

    trainer: the config of Lightning's Trainer.
    """
    devices = trainer.devices
    if OmegaConf.is_list(devices):
        return len(devices)
    if isinstance(devices, str) and "," in devices:
        return len([word for word in devices.split(",") if word])
    if devices in ("auto", -1, "-1"):
        if trainer.accelerator == "cpu":
            return 1
        import torch  # late: few runs need it here

        return max(1, torch.cuda.device_count())
    return int(devices)


@contextmanager
def with_helpers(arguments: Sequence[str], trainer: DictConfig) -> Iterator[None]:
    """Start the further processes of a run, and end them with this context.

    arguments: the command line of this process, for example ["train", "trainer.devices=2"].

    Raises:
        ConfigError: the run needs several machines, and was started on one. SLURM has several tasks
            for it, and it was started without srun. trainer.devices=auto found several GPUs, and
            recipe=small needs one.
    """
    if not was_launched() and (num_tasks := _number("SLURM_NTASKS", 1)) > 1:
        raise ConfigError(
            f"SLURM_NTASKS={num_tasks}: SLURM has {num_tasks} tasks for this job, but the command "
            "was started once, without srun; type srun before it, or use sbatch --ntasks=1"
        )
    num = num_processes(trainer)
    if was_launched() or num * trainer.num_nodes == 1:
        yield
        return
    if trainer.num_nodes > 1:
        raise ConfigError(
            f"trainer.num_nodes={trainer.num_nodes}: start the command with torchrun or srun on "
            "each machine"
        )
    if trainer.max_steps is None:
        raise ConfigError(
            f"trainer.devices={trainer.devices}: this machine has {num} GPUs, and recipe=small "
            "computes its steps for one; use trainer.devices=1 or recipe=own"
        )
    command = [sys.executable, "-m", "unrolled", *arguments, *allow_words()]
    shared = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "NODE_RANK": "0",
        "WORLD_SIZE": str(num),
    }
    path = os.pathsep.join([*own_folders(), *filter(None, [os.environ.get("PYTHONPATH")])])
    own = {"PYTHONPATH": path} if own_folders() else {}
    helpers = [
        subprocess.Popen(  # noqa: S603 - this program
            command,
            env={**os.environ, **own, **shared, "LOCAL_RANK": str(rank)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        for rank in range(1, num)
    ]
    before = {name: os.environ.get(name) for name in (*shared, "LOCAL_RANK")}
    os.environ.update(shared, LOCAL_RANK="0")
    try:
        yield
        for helper in helpers:
            with suppress(subprocess.TimeoutExpired):  # the result is complete without it
                helper.wait(timeout=SECONDS_TO_END)
    finally:
        for helper in helpers:
            helper.kill()
            helper.wait()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def private_copy(folder: Path | None) -> Iterator[Path]:
    """Yield a folder for a further process: a copy of a run folder, or an empty one for None."""
    with tempfile.TemporaryDirectory(prefix="unrolled-") as name:
        path = Path(name) / "run"
        if folder is None:
            path.mkdir()
        else:
            shutil.copytree(folder, path, ignore=shutil.ignore_patterns(*NOT_COPIED))
        yield path


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else default

"""Jobs side by side, each a process forked from this one, which has torch and Lightning loaded.

A fork takes milliseconds where a new interpreter takes seconds to import. A job that raises, exits,
is killed or runs out of memory ends its own process only. This process computes nothing and never
touches a GPU, so that its children can.
"""

import contextlib
import ctypes
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from unrolled.errors import ConfigError, RunInterruptedError, UnrolledError
from unrolled.runs.run_folder import RunFolder
from unrolled.sweeps.jobs import Outcome, carry_out, record_failure
from unrolled.sweeps.sharing import load_modules, share

log = logging.getLogger(__name__)

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")  # the last is what SLURM is told to send
STOP_SIGNALS = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass
class Job:
    """A process at work, and the slot that it takes."""

    number: int
    overrides: list[str]
    slot: int
    process: BaseProcess
    connection: Connection
    folder: RunFolder | None = None
    outcome: Outcome | None = None


class ForkedLauncher(Launcher):
    """Starts as many jobs at once as cores and GPU memory allow, the next when one ends.

    jobs_at_once: >= 1, or None for as many as there are cores for their threads.
    gpu_gigabytes: free memory of a GPU that one job is counted with, > 0; jobs are spread over the
        GPUs that there are. Without a GPU it means nothing.
    """

    def __init__(self, *, jobs_at_once: int | None, gpu_gigabytes: float) -> None:
        super().__init__()
        if jobs_at_once is not None and jobs_at_once < 1:
            raise ConfigError(f"hydra.launcher.jobs_at_once={jobs_at_once}: need >= 1, or null")
        if gpu_gigabytes <= 0:
            raise ConfigError(f"hydra.launcher.gpu_gigabytes={gpu_gigabytes}: need > 0")
        self.jobs_at_once = jobs_at_once
        self.gpu_gigabytes = gpu_gigabytes
        self._received: int | None = None
        self._running: list[Job] = []

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Remember what Hydra gives to every launcher; what a job does is known here."""
        self.hydra_context = hydra_context
        self.config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Carry out the jobs; a job that fails is told, and the others go on.

        Raises:
            RunInterruptedError: a signal ended the sweep; the jobs have saved what they had.
        """
        jobs = [list(overrides) for overrides in job_overrides]
        if len({tuple(job) for job in jobs}) < len(jobs):
            raise ConfigError("the same job stands twice in the sweep; name each value once")
        common = set.intersection(*map(set, jobs)) if len(jobs) > 1 else set()
        returns: dict[int, JobReturn] = {}
        try:
            for number, outcome in self.stream(jobs):
                name = " ".join(word for word in jobs[number] if word not in common)
                log.info("[%d/%d] %s: %s", len(returns) + 1, len(jobs), name, tell(outcome))
                returns[number] = job_return(jobs[number], outcome)
        finally:
            left = [job for number, job in enumerate(jobs) if number not in returns]
            lines = [f"not run: {' '.join(job)}" for job in left]
            print("".join(f"{line}\n" for line in lines), end="", file=sys.stderr)
        return [returns[number] for number in sorted(returns)]

    def stream(self, jobs: Iterable[list[str]]) -> Iterator[tuple[int, Outcome]]:
        """Start each job when there is room, and yield its number and outcome when it ends.

        jobs: their overrides; the next is asked for when it can be started.

        Raises:
            RunInterruptedError: a signal came; the jobs that ran have been yielded.
        """
        if not hasattr(os, "fork"):
            raise ConfigError("no fork on this system: use hydra/launcher=basic")
        gpus, slots = self._slots()
        load_modules()
        queue, free = enumerate(jobs), list(reversed(range(slots)))
        log.info("%s: %d at once", self.config.hydra.sweep.dir, slots)
        self._received = None
        before = {number: signal.signal(number, self._pass_on) for number in STOP_SIGNALS}
        try:
            stopping = exhausted = False
            while True:
                while free and not exhausted and not stopping and self._received is None:
                    number, overrides = next(queue, (-1, []))
                    if number < 0:
                        exhausted = True
                        break
                    slot = free.pop()
                    gpu = None if gpus is None else gpus[slot % len(gpus)]
                    if number == 0:  # what this one needs, most of the others do
                        self._share(overrides)
                    self._running.append(self._start(number, overrides, slot, slots, gpu))
                if not self._running:
                    break
                for job in self._ended():
                    free.append(job.slot)
                    outcome = self._close(job)
                    yield job.number, outcome
                    if outcome.state != "done" and self.config.sweep.fail_fast and not stopping:
                        stopping = True
                        self._signal_all(signal.SIGTERM)
        finally:
            for job in self._running:  # something of ours went wrong
                job.process.kill()
            for number, handler in before.items():
                signal.signal(number, handler)
        if self._received is not None:
            raise RunInterruptedError(self._received)

    def _slots(self) -> tuple[list[str] | None, int]:
        """Return the GPUs to use, if any, and how many jobs run at once."""
        threads = OmegaConf.select(self.config, "num_threads") or 1
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        by_cores = max((cores or 1) // threads, 1)
        wants_gpu = self.config.trainer.accelerator in ("auto", "gpu", "cuda")
        free = _free_gpu_gigabytes() if wants_gpu else {}
        fitting = {gpu: int(free[gpu] // self.gpu_gigabytes) for gpu in free}
        gpus = [gpu for gpu in fitting if fitting[gpu]] or list(free)
        by_memory = max(sum(fitting.values()), 1) if free else by_cores
        return gpus or None, self.jobs_at_once or min(by_cores, by_memory)

    def _share(self, overrides: list[str]) -> None:
        """Load here what a job needs; a job that cannot be composed tells so itself."""
        with contextlib.suppress(HydraException, OmegaConfBaseException):
            share(self.hydra_context.config_loader.load_sweep_config(self.config, overrides))

    def _start(
        self, number: int, overrides: list[str], slot: int, slots: int, gpu: str | None
    ) -> Job:
        ours, theirs = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(
            target=self._child, args=(theirs, number, overrides, slots, gpu, os.getpid())
        )
        process.start()
        theirs.close()
        return Job(number, overrides, slot, process, ours)

    def _child(
        self,
        connection: Connection,
        number: int,
        overrides: list[str],
        slots: int,
        gpu: str | None,
        parent: int,
    ) -> None:
        """Carry out one job: the process that this is called in has no other purpose."""
        os.setpgid(0, 0)  # Ctrl-C reaches the sweep, which passes it on
        for name in STOP_SIGNALS:
            signal.signal(name, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if not _dies_with(parent):
            return
        if gpu is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = gpu
        import torch

        torch.set_num_threads(max((os.cpu_count() or 1) // slots, 1))  # unless num_threads is set
        setup_globals()
        try:
            config = self.hydra_context.config_loader.load_sweep_config(self.config, overrides)
        except (HydraException, OmegaConfBaseException) as error:
            reason, code = f"{error}", ConfigError.exit_code
            connection.send(Outcome("", "failed", code, reason, None, {}, 0.0, before=False))
            return
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
        folder = job_folder(config)
        folder.path.mkdir(parents=True, exist_ok=True)
        connection.send(str(folder.path))
        _write_output_to(folder.path / "output.log")
        job_overrides = list(config.hydra.overrides.task)

        def task(config: DictConfig) -> None:
            connection.send(carry_out(config, folder, overrides=job_overrides))

        run_job(
            hydra_context=self.hydra_context,
            task_function=task,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )

    def _ended(self) -> list[Job]:
        """Wait until a job has ended; return those that have."""
        sentinels = {job.process.sentinel: job for job in self._running}
        # what a job says is read while it runs, or a full pipe would keep it from ending
        talking = {job.connection: job for job in self._running if not job.connection.closed}
        ended = []
        for item in wait([*sentinels, *talking]):
            if isinstance(item, Connection):
                _listen(talking[item])
            else:
                ended.append(sentinels[item])  # type: ignore[index]
        return ended

    def _close(self, job: Job) -> Outcome:
        """Return the outcome of a job whose process has ended, however it did."""
        self._running.remove(job)
        job.process.join()
        while not job.connection.closed:
            _listen(job)
        code = job.process.exitcode or 0
        job.process.close()
        return job.outcome or _died(job, code)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self._received = self._received or number
        self._signal_all(number)

    def _signal_all(self, number: int) -> None:
        for job in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(job.process.pid or 0, number)


def job_folder(config: DictConfig) -> RunFolder:
    """Return the folder of a job whose config Hydra has composed."""
    from hydra.core.hydra_config import HydraConfig

    HydraConfig.instance().set_config(config)
    return RunFolder(Path(config.hydra.sweep.dir) / config.hydra.sweep.subdir)


class ToldJob(JobReturn):
    """A job whose failure has been told already: Hydra would say it again, of the first only."""

    @property
    def return_value(self) -> Any:
        """Return what the job found.

        Raises:
            UnrolledError: it failed.
        """
        if self.status == JobStatus.FAILED:
            raise self._return_value
        return self._return_value

    @return_value.setter
    def return_value(self, value: Any) -> None:
        self._return_value = value


def job_return(overrides: list[str], outcome: Outcome) -> JobReturn:
    """Return a job's outcome as Hydra knows it."""
    result = ToldJob(overrides=overrides)
    if outcome.state == "done":
        result.return_value, result.status = outcome.value, JobStatus.COMPLETED
    else:
        result.return_value, result.status = UnrolledError(outcome.error), JobStatus.FAILED
    return result


def tell(outcome: Outcome) -> str:
    """Return how a job ended, in a line."""
    if outcome.state != "done":
        reason = " ".join(outcome.error.split())
        return f"{outcome.state.upper()} ({outcome.exit_code}): {reason}; see {outcome.folder}"
    shown = [
        f"{name} {outcome.scores[name]:.4f}"
        for name in ("val/accuracy", "test/accuracy")
        if name in outcome.scores
    ]
    return ", ".join([*shown, "done before" if outcome.before else f"{outcome.seconds:.1f} s"])


def _listen(job: Job) -> None:
    try:
        message: Any = job.connection.recv()
    except (EOFError, OSError):
        job.connection.close()
        return
    if isinstance(message, Outcome):
        job.outcome = message
    else:
        job.folder = RunFolder(message)


def _died(job: Job, code: int) -> Outcome:
    """Record the end of a job that could not do so itself."""
    if code < 0:
        reason = f"killed by {signal.Signals(-code).name}"
        if -code == signal.SIGKILL:
            reason += " (by somebody, or by the system because memory ran out)"
        state = "interrupted" if -code in STOP_SIGNALS else "failed"
        code = 128 - code
    else:
        state, reason = "failed", f"its process ended with code {code} and no result"
        code = code or 1
    if job.folder is None:
        return Outcome("", state, code, reason, None, {}, 0.0, before=False)
    with contextlib.suppress(UnrolledError):  # an unwritable disk is told by the sweep's table
        record_failure(job.folder, config=None, state=state, exit_code=code, error=reason)
        with (job.folder.path / "train.log").open("a", encoding="utf-8") as file:
            file.write(f"{reason}\n")
    return Outcome(str(job.folder.path), state, code, reason, None, {}, 0.0, before=False)


def _dies_with(parent: int) -> bool:
    """Let the system kill this process when its parent is gone; False if that has happened."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    return os.getppid() == parent


def _write_output_to(path: Path) -> None:
    """Let everything that this process prints go to a file."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in (1, 2):
        os.dup2(file, number)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)


def _free_gpu_gigabytes() -> dict[str, float]:
    """Return the free memory of each GPU by index, without waking the driver in this process."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    command = ["nvidia-smi", "--query-gpu=index,memory.free", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command
            command, capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    rows = [line.split(",") for line in done.stdout.splitlines() if line.strip()]
    free = {index.strip(): float(megabytes) / 1024 for index, megabytes in rows}
    if visible is None:
        return free
    return {index: free[index] for index in visible.split(",") if index in free}

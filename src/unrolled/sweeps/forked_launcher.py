"""Runs jobs in parallel, each in a process forked from this one, which has loaded torch.

A fork takes milliseconds, while a new interpreter imports torch and Lightning for seconds. A job
that raises, exits, is killed or runs out of memory ends its own process only. This process computes
nothing and never uses a GPU, so that its children can.
"""

import contextlib
import logging
import math
import multiprocessing
import os
import signal
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from unrolled.errors import STOP_SIGNALS, ConfigError, RunInterruptedError, UnrolledError
from unrolled.runs.run_folder import RunFolder
from unrolled.sweeps.forked_job import run_forked
from unrolled.sweeps.jobs import Outcome, record_failure
from unrolled.sweeps.sharing import load_modules, share

log = logging.getLogger(__name__)

SIGNALS = [signal.Signals[name] for name in STOP_SIGNALS]


@dataclass
class Job:
    """A running process, and the slot that it occupies.

    deadline: when it is killed, in seconds of `monotonic`.
    is_late: whether it was killed at its deadline.
    """

    number: int
    overrides: list[str]
    slot: int
    process: BaseProcess
    connection: Connection
    deadline: float = math.inf
    is_late: bool = False
    folder: RunFolder | None = None
    outcome: Outcome | None = None


class ForkedLauncher(Launcher):
    """Runs as many jobs at once as cores and GPU memory allow, and starts the next when one ends.

    jobs_at_once: >= 1, or None for the number of cores divided by num_threads, of which the largest
        value counts if the sweep has several.
    gpu_gigabytes: free GPU memory that one job needs, > 0; jobs are spread over all GPUs. Not used
        without a GPU.
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
        """Store what Hydra passes to every launcher."""
        self.hydra_context = hydra_context
        self.config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run the jobs. A job that fails is logged, and the others continue.

        Raises:
            RunInterruptedError: a signal ended the sweep; the jobs have written their checkpoints.
        """
        jobs = [list(overrides) for overrides in job_overrides]
        if len({tuple(job) for job in jobs}) < len(jobs):
            raise ConfigError("the sweep contains the same job twice; type each value once")
        common = set.intersection(*map(set, jobs)) if len(jobs) > 1 else set()
        returns: dict[int, JobReturn] = {}
        try:
            for number, outcome in self.stream(jobs):
                name = " ".join(word for word in jobs[number] if word not in common)
                log.info("[%d/%d] %s: %s", len(returns) + 1, len(jobs), name, describe(outcome))
                returns[number] = job_return(jobs[number], outcome)
        finally:
            if len(returns) < len(jobs):
                num_left = len(jobs) - len(returns)
                log.warning(
                    "%d of %d jobs did not run; to continue, repeat the command with "
                    "hydra.sweep.dir=%s",
                    num_left,
                    len(jobs),
                    Path(self.config.hydra.sweep.dir).absolute(),
                )
        return [returns[number] for number in sorted(returns)]

    def stream(self, jobs: Iterable[list[str]]) -> Iterator[tuple[int, Outcome]]:
        """Start each job when a slot is free, and yield its number and outcome when it ends.

        jobs: the overrides of each; the next item is taken when a slot is free.

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
        before = {number: signal.signal(number, self._pass_on) for number in SIGNALS}
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
                    if number == 0:  # most of the others need the same
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
            for job in self._running:  # this process failed
                job.process.kill()
            for number, handler in before.items():
                signal.signal(number, handler)
        if self._received is not None:
            raise RunInterruptedError(self._received)

    def _slots(self) -> tuple[list[str] | None, int]:
        """Return the GPUs to use, if any, and how many jobs run at once."""
        threads = _most_threads(self.config)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        by_cores = max((cores or 1) // threads, 1)
        wants_gpu = self.config.trainer.accelerator in ("auto", "gpu", "cuda")
        free = _free_gpu_gigabytes() if wants_gpu else {}
        fitting = {gpu: int(free[gpu] // self.gpu_gigabytes) for gpu in free}
        gpus = [gpu for gpu in fitting if fitting[gpu]] or list(free)
        by_memory = max(sum(fitting.values()), 1) if free else by_cores
        return gpus or None, self.jobs_at_once or min(by_cores, by_memory)

    def _share(self, overrides: list[str]) -> None:
        """Load what a job needs. A config that cannot be composed is reported by its job."""
        with contextlib.suppress(HydraException, OmegaConfBaseException):
            share(self.hydra_context.config_loader.load_sweep_config(self.config, overrides))

    def _start(
        self, number: int, overrides: list[str], slot: int, slots: int, gpu: str | None
    ) -> Job:
        ours, theirs = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(
            target=run_forked,
            args=(theirs, self.hydra_context, self.config, overrides),
            kwargs={"number": number, "slots": slots, "gpu": gpu, "parent": os.getpid()},
        )
        process.start()
        theirs.close()
        minutes = OmegaConf.select(self.config, "sweep.job_minutes")
        deadline = math.inf if minutes is None else monotonic() + 60 * minutes
        return Job(number, overrides, slot, process, ours, deadline)

    def _ended(self) -> list[Job]:
        """Wait until a job has ended, and return all jobs that have."""
        sentinels = {job.process.sentinel: job for job in self._running}
        # messages are read while the job runs: it could not end with a full pipe
        messages = {job.connection: job for job in self._running if not job.connection.closed}
        ended = []
        deadline = min(job.deadline for job in self._running)
        remaining = None if deadline == math.inf else max(deadline - monotonic(), 0)
        for item in wait([*sentinels, *messages], remaining):
            if isinstance(item, Connection):
                _listen(messages[item])
            else:
                ended.append(sentinels[item])  # type: ignore[index]
        for job in self._running:
            if job not in ended and monotonic() >= job.deadline:
                job.is_late, job.deadline = True, math.inf
                job.process.kill()  # its end is noticed like the end of any other job
        return ended

    def _close(self, job: Job) -> Outcome:
        """Return the outcome of a job whose process has ended, however it did."""
        self._running.remove(job)
        job.process.join()
        while not job.connection.closed:
            _listen(job)
        code = job.process.exitcode or 0
        job.process.close()
        late = f"killed after sweep.job_minutes={self.config.sweep.get('job_minutes')}"
        return job.outcome or _died(job, code, reason=late if job.is_late else None)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self._received = self._received or number
        self._signal_all(number)

    def _signal_all(self, number: int) -> None:
        for job in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(job.process.pid or 0, number)


class LoggedJob(JobReturn):
    """A job whose failure has been logged. Hydra would log the first failure again."""

    @property
    def return_value(self) -> Any:
        """Return the value of the job.

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
    """Return the outcome of a job in the form that Hydra expects."""
    result = LoggedJob(overrides=overrides)
    if outcome.state == "done":
        result.return_value, result.status = outcome.value, JobStatus.COMPLETED
    else:
        result.return_value, result.status = UnrolledError(outcome.error), JobStatus.FAILED
    return result


def describe(outcome: Outcome) -> str:
    """Return a line that describes how a job ended."""
    if outcome.state != "done":
        reason = " ".join(outcome.error.split())
        return f"{outcome.state.upper()} ({outcome.exit_code}): {reason}; see {outcome.folder}"
    shown = [
        f"{name} {outcome.scores[name]:.4f}"
        for name in ("cv/accuracy", "val/accuracy", "test/accuracy")
        if name in outcome.scores
    ]
    return ", ".join([*shown, "done before" if outcome.before else f"{outcome.seconds:.1f} s"])


def _most_threads(config: DictConfig) -> int:
    """Return the largest num_threads of the jobs, which may be a list of values of the sweep."""
    typed = [
        value
        for word in OmegaConf.select(config, "hydra.overrides.task") or []
        if word.startswith("num_threads=")
        for value in word.removeprefix("num_threads=").split(",")
    ]
    return max(
        [OmegaConf.select(config, "num_threads") or 1, *map(int, filter(str.isdecimal, typed))]
    )


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


def _died(job: Job, code: int, *, reason: str | None = None) -> Outcome:
    """Write the result of a job whose process died.

    reason: why, if it is known.
    """
    if code < 0:
        by_signal = f"killed by {signal.Signals(-code).name}"
        if -code == signal.SIGKILL:
            by_signal += " (by a user, or by the system because memory ran out)"
        reason = reason or by_signal
        state = "interrupted" if -code in SIGNALS else "failed"
        code = 128 - code
    else:
        state, reason = "failed", f"its process ended with code {code} and no result"
        code = code or 1
    if job.folder is None:
        return Outcome.failed(reason, exit_code=code, state=state)
    with contextlib.suppress(UnrolledError):  # on a disk that cannot be written
        record_failure(job.folder, config=None, state=state, exit_code=code, error=reason)
        with (job.folder.path / "train.log").open("a", encoding="utf-8") as file:
            file.write(f"{reason}\n")
    return Outcome.failed(reason, exit_code=code, state=state, folder=job.folder.path)


def _free_gpu_gigabytes() -> dict[str, float]:
    """Return the free memory of each GPU by index, without loading the driver into this process."""
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

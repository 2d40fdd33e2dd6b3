"""Fixtures that start, kill and resume runs in processes of their own, and compare the results."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from unrolled.runs import checkpoint_file

from .small import SMALL

NUM_BATCHES = 7
WAITING = "SIGTERM: waiting for the next checkpoint"
FORK_SERVER = Path(__file__).with_name("fork_server.py")


def wait_until(happened: Callable[[], bool]) -> None:
    """Wait for an event. The test's time-out ends the wait if it never comes."""
    while not happened():
        time.sleep(0.005)


class Server:
    """Client of `fork_server`.

    If the last request was not answered, for example because a test timed out, it replaces the
    server process together with the runs that it has started: a late answer would otherwise be
    read as the answer to the next request.
    """

    def __init__(self, script: Path = FORK_SERVER) -> None:
        self._script = script
        self._process: subprocess.Popen[str] | None = None
        self._answered = False

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if not self._answered:
            self._restart()
        self._answered = False
        answer = self._send(request)
        self._answered = True
        return answer

    def kill(self) -> None:
        """End the server and all processes in its group."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)  # exists until it is waited for
            self._process.communicate()
            self._process = None

    def _send(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the fork server has ended"
        return json.loads(line)

    def _restart(self) -> None:
        self.kill()
        self._process = subprocess.Popen(
            [sys.executable, str(self._script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        assert self._read() == {"ready": True}


@dataclass
class Run:
    """A run in its own folder, which can be killed and resumed any number of times."""

    server: Server
    path: Path
    overrides: tuple[str, ...]
    codes: list[int] = field(default_factory=list)

    def train(self, *more: str, **plan: Any) -> int:
        arguments = ["train", *SMALL, *self.overrides, *more, f"hydra.run.dir={self.path}/run"]
        return self.wait(self.start(arguments, **plan))

    def resume(self, *more: str, **plan: Any) -> int:
        return self.wait(self.start(["resume", f"run={self.path}/run", *more], **plan))

    def start(self, arguments: list[str], **plan: Any) -> int:
        if "fault" in plan:
            plan["faults"] = [plan.pop("fault")]
        paths = {"output": f"{self.path}/output.txt", "record": f"{self.path}/record.jsonl"}
        return self.server.ask({"arguments": arguments, **paths, **plan})["pid"]

    def wait(self, pid: int) -> int:
        code = self.server.ask({"wait": pid})["code"]
        self.codes.append(code)
        return code

    @property
    def folder(self) -> Path:
        return self.path / "run"

    @property
    def output(self) -> str:
        return (self.path / "output.txt").read_text()

    @property
    def result(self) -> dict[str, Any]:
        return json.loads((self.folder / "result.json").read_text())

    @property
    def steps(self) -> list[tuple[int, int, tuple[int, ...], str]]:
        """Epoch, batch, sequences and loss of every batch, in all processes of the run."""
        path = self.path / "record.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(e, b, tuple(ids), loss) for e, b, ids, loss in map(json.loads, lines)]

    def wait_for_steps(self, num: int) -> None:
        path = self.path / "record.jsonl"
        wait_until(lambda: path.exists() and path.read_text().count("\n") >= num)

    def wait_for_hang(self) -> None:
        """Wait until the fault `hang` has been reached."""
        wait_until((self.path / "record.hanging").exists)

    def checkpoint(self, name: str) -> dict[str, Any]:
        """Return the checkpoint without times, which differ between runs."""
        state = checkpoint_file.load(self.folder / "checkpoints" / f"{name}.ckpt")
        state["callbacks"].pop("Throughput", None)
        for key in ("seconds", "identity"):
            state["unrolled"].pop(key)
        return state


@pytest.fixture
def new_run(server: Server, tmp_path: Path) -> Any:
    """Return a function that makes a run with overrides, in its own folder."""

    def make(*overrides: str) -> Run:
        path = tmp_path / str(len(list(tmp_path.iterdir())))
        path.mkdir()
        return Run(server, path, overrides)

    return make


@pytest.fixture(scope="session")
def uninterrupted(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a function that makes an uninterrupted run with overrides, once per session."""
    made: dict[tuple[str, ...], Run] = {}

    def get(*overrides: str) -> Run:
        if overrides not in made:
            run = Run(server, tmp_path_factory.mktemp("uninterrupted"), overrides)
            assert run.train() == 0, run.output
            made[overrides] = run
        return made[overrides]

    return get


def same(left: Any, right: Any) -> bool:
    """Return whether nested values are bit for bit equal."""
    if isinstance(left, torch.Tensor):
        return left.dtype == right.dtype and torch.equal(left, right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


def differences(left: Any, right: Any, place: str = "") -> list[str]:
    """Return the places where nested values differ, for the message of a failing test."""
    if isinstance(left, dict) and isinstance(right, dict):
        return [
            text
            for key in sorted(left.keys() | right.keys(), key=str)
            for text in differences(left.get(key), right.get(key), f"{place}.{key}")
        ]
    return [] if same(left, right) else [f"{place}: {left} != {right}"]


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return step and value of each scalar in TensorBoard's event files, by step.

    TensorBoard reads files of the same second in the order of their process ids as text, where 1003
    comes before 995, and would drop what the later process wrote. So they get names in the order in
    which they were written.
    """
    files = sorted(folder.glob("events.out.*"), key=lambda path: path.stat().st_mtime_ns)
    with tempfile.TemporaryDirectory() as ordered:
        for number, path in enumerate(files):
            (Path(ordered) / f"{number:04d}.tfevents").symlink_to(path.absolute())
        events = EventAccumulator(ordered, size_guidance={"scalars": 0})
        events.Reload()
    tags = [tag for tag in events.Tags()["scalars"] if not tag.startswith("hp/")]
    return {tag: sorted((e.step, e.value) for e in events.Scalars(tag)) for tag in tags}


def assert_same_run(run: Run, reference: Run) -> None:
    """Assert that the checkpoints, steps and history of a run are bit for bit the reference's."""
    assert run.result["state"] == "done", run.output
    for name in ("last", "best"):
        found = differences(run.checkpoint(name), reference.checkpoint(name))
        assert not found, found[:10]
    expected = {step[:2]: step for step in reference.steps}
    assert len(expected) == len(reference.steps)
    assert {step[:2]: step for step in run.steps} == expected
    assert all(step == expected[step[:2]] for step in run.steps), "a step that was redone differs"
    assert (run.folder / "metrics.csv").read_text() == (
        reference.folder / "metrics.csv"
    ).read_text()
    assert curves(run.folder) == curves(reference.folder)
    for key in ("scores", "best", "num_epochs", "num_steps", "confusion"):
        assert run.result[key] == reference.result[key], key
    assert "Warning" not in run.output, run.output

"""Kills runs at random moments, resumes them, and compares them with uninterrupted runs.

OMP_NUM_THREADS=1 python benchmarks/kills.py num=500 seed=1

Each run is killed one to four times (SIGKILL): at a random place of the training loop, at a random
write to a file, or at a random moment from outside. Then it is finished, and its checkpoints,
steps, losses, scores and histories are compared bit for bit with an uninterrupted run. A run that
was killed before its first checkpoint is started again with the command that `resume` prints.
"""

import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from resume.conftest import NUM_BATCHES, SMALL, Run, Server, assert_same_run

ARGUMENTS = dict(word.split("=", 1) for word in sys.argv[1:])
NUM = int(ARGUMENTS.get("num", "500"))
SEED = int(ARGUMENTS.get("seed", "1"))
NUM_EPOCHS = 4  # of `SMALL`
MOST_KILLS = 4  # of one run
# Training loops and frequencies of checkpoints.
VARIANTS = (
    (),
    ("checkpoint.every_n_steps=1",),
    ("checkpoint.every_n_steps=3", "scheduler=plateau"),
    ("trainer.accumulate_grad_batches=3", "checkpoint.every_n_steps=1"),
)
PLACES = ("train_start", "batch_start", "batch_end", "validation", "epoch_end", "train_end")


def random_kill(draw: random.Random) -> tuple[str, dict[str, Any]]:
    """Return the kind of a kill, and the plan of the process that meets it."""
    kind = draw.choice(("place", "write", "moment"))
    if kind == "write":
        return kind, {"kill_at_write": draw.randrange(1, 45)}
    if kind == "moment":
        return kind, {}
    place: dict[str, Any] = {"at": draw.choice(PLACES), "do": "SIGKILL"}
    if place["at"] not in ("train_start", "train_end"):
        place["epoch"] = draw.randrange(NUM_EPOCHS)
    if place["at"].startswith("batch"):
        place["batch"] = draw.randrange(NUM_BATCHES)
    return kind, {"faults": [place]}


def start(run: Run, plan: dict[str, Any]) -> int:
    """Start or resume a run, and return its process."""
    if not list((run.folder / "checkpoints").glob("*.ckpt")):
        shutil.rmtree(run.folder, ignore_errors=True)
        (run.path / "record.jsonl").unlink(missing_ok=True)
        return run.start(["train", *SMALL, *run.overrides, f"hydra.run.dir={run.folder}"], **plan)
    return run.start(["resume", f"run={run.folder}"], **plan)


def kill_and_compare(server: Server, path: Path, draw: random.Random, reference: Run) -> list[str]:
    """Return the kinds of the kills of a run that ended like the reference.

    Raises:
        AssertionError: it differs, or a command failed.
    """
    run = Run(server, path, reference.overrides)
    kills = []
    code = -9
    for _ in range(draw.randrange(1, MOST_KILLS + 1)):
        kind, plan = random_kill(draw)
        pid = start(run, plan)
        if kind == "moment":
            before = len(run.steps)
            wait_for = before + draw.randrange(12)
            while (
                len(run.steps) < wait_for
                and Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
            ):
                time.sleep(0.002)
            time.sleep(draw.random() * 0.05)
            os.kill(pid, signal.SIGKILL)  # of a process that has not been waited for
        code = run.wait(pid)
        assert code in (0, -9), run.output
        if code == 0:
            break
        kills.append(kind)
    if code != 0:
        code = run.wait(start(run, {}))
        assert code == 0, run.output
    assert not list(run.folder.rglob("*.tmp"))
    assert_same_run(run, reference)
    return kills


def main() -> None:
    """Kill until `num` kills are done, and print how many runs were compared."""
    draw = random.Random(SEED)  # noqa: S311 - reproducible
    server = Server()
    counts = {"place": 0, "write": 0, "moment": 0}
    num_runs, failures, started_at = 0, 0, time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        references = []
        for number, overrides in enumerate(VARIANTS):
            path = Path(name) / f"reference-{number}"
            path.mkdir()
            references.append(Run(server, path, overrides))
            assert references[-1].train() == 0, references[-1].output
        while sum(counts.values()) < NUM:
            path = Path(name) / str(num_runs)
            path.mkdir()
            num_runs += 1
            try:
                for kind in kill_and_compare(server, path, draw, draw.choice(references)):
                    counts[kind] += 1
            except AssertionError:
                failures += 1
                kept = Path(tempfile.mkdtemp(prefix="kills-"))
                shutil.copytree(path, kept / "run")
                print(f"run {num_runs} failed, see {kept}: {traceback.format_exc()}", flush=True)
            shutil.rmtree(path)
            if num_runs % 20 == 0:
                print(f"{num_runs} runs, {counts}, {failures} failures", flush=True)
    server.kill()
    print(f"seed {SEED}: {sum(counts.values())} kills in {num_runs} runs: {counts}")
    print(f"{num_runs - failures} runs equal an uninterrupted run bit for bit, {failures} do not")
    print(f"{time.monotonic() - started_at:.0f} s")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()

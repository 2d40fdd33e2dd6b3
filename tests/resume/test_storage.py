"""Checkpoints are complete or missing; full and read-only disks are reported."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch

from unrolled.errors import CheckpointError
from unrolled.runs import checkpoint_file

from .conftest import SMALL, assert_same_run

KILL_AT = {"at": "batch_end", "epoch": 1, "batch": 3, "do": "SIGKILL"}
LONG = ("trainer.max_epochs=90", "callbacks.early_stopping.patience=90")
SEED = int(os.environ.get("KILL_SEED", random.SystemRandom().randrange(10**6)))


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "some.ckpt"
    checkpoint_file.save(path, {"weights": torch.arange(300.0), "step": 7})
    return path


@pytest.mark.acceptance("A28")
def test_torch_reads_a_checkpoint_file(checkpoint):
    plain = torch.load(checkpoint, weights_only=True)
    assert torch.equal(plain["weights"], torch.arange(300.0))
    assert checkpoint_file.load(checkpoint)["step"] == 7


DAMAGE = {
    "truncated": lambda content: content[:-100],
    "cut_in_half": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "zeros": lambda content: bytes(len(content)),
    "html": lambda content: b"<html>404</html>",
    "longer": lambda content: content + b"x",
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.acceptance("A10")
def test_a_damaged_checkpoint_is_refused(checkpoint, kind):
    checkpoint.write_bytes(DAMAGE[kind](checkpoint.read_bytes()))
    with pytest.raises(CheckpointError, match=str(checkpoint)):
        checkpoint_file.load(checkpoint)


@pytest.mark.parametrize("num", [200, pytest.param(None, marks=pytest.mark.slow)])
def test_a_single_flipped_bit_is_found(checkpoint, num):
    content = checkpoint.read_bytes()
    draw = random.Random(SEED)
    print(f"KILL_SEED={SEED}, {num or len(content)} files")
    places = range(len(content)) if num is None else draw.sample(range(len(content)), num)
    for place in places:
        flipped = bytearray(content)
        flipped[place] ^= 1 << draw.randrange(8)
        checkpoint.write_bytes(flipped)
        with pytest.raises(CheckpointError):
            checkpoint_file.load(checkpoint)


@pytest.mark.acceptance("A10")
def test_a_run_with_a_damaged_last_checkpoint_resumes_from_the_best(new_run, uninterrupted):
    within = "checkpoint.every_n_steps=1"
    run = new_run(within)
    assert run.train(fault=KILL_AT) == -9
    last = run.folder / "checkpoints/last.ckpt"
    last.write_bytes(last.read_bytes()[:-1])
    assert run.resume() == 0, run.output
    assert run.output.count(f"{last} is damaged: its checksum does not match") == 1
    assert_same_run(run, uninterrupted(within))


@pytest.mark.acceptance("A11")
def test_resume_without_a_valid_checkpoint_trains_nothing(new_run):
    run = new_run()
    assert run.train(fault=KILL_AT) == -9
    num_steps = len(run.steps)
    for path in (run.folder / "checkpoints").iterdir():
        path.write_bytes(b"")
    assert run.resume() == 4
    assert len(run.steps) == num_steps
    assert "no checkpoint to resume from" in run.output


def kill_during_saves(new_run, reference, *, num_kills, seed):
    """Kill a run at random syncs of its files, and check that each checkpoint is complete."""
    print(f"KILL_SEED={seed}")
    draw = random.Random(seed)
    run = new_run(*reference.overrides)
    plan = {"environment": {"TMPDIR": "/dev/shm"}}
    code, num = run.train(**plan, kill_at_write=draw.randrange(30, 40)), 1
    while code == -9 and num < num_kills:
        for path in (run.folder / "checkpoints").glob("*.ckpt"):
            checkpoint_file.load(path)
        code = run.resume(**plan, kill_at_write=draw.randrange(12, 24))
        num += code == -9
    if code == -9:
        code = run.resume()
    assert code == 0, run.output
    assert not list(run.folder.rglob("*.tmp"))
    assert_same_run(run, reference)
    return num


@pytest.mark.acceptance("A3")
def test_killed_three_times_while_saving(new_run, uninterrupted):
    reference = uninterrupted("checkpoint.every_n_steps=1")
    assert kill_during_saves(new_run, reference, num_kills=3, seed=SEED) == 3


@pytest.mark.slow
@pytest.mark.acceptance("A7")
def test_killed_fifty_times_while_saving(new_run, uninterrupted):
    reference = uninterrupted("checkpoint.every_n_steps=1", *LONG)
    assert kill_during_saves(new_run, reference, num_kills=50, seed=SEED) == 50


@pytest.mark.rare
def test_killed_at_any_moment(new_run, uninterrupted):
    """The signal is sent from outside, at a random moment."""
    print(f"KILL_SEED={SEED}")
    draw = random.Random(SEED)
    reference = uninterrupted("checkpoint.every_n_steps=2", *LONG)
    run = new_run(*reference.overrides)
    arguments = ["train", *SMALL, *run.overrides, f"hydra.run.dir={run.folder}"]
    num_kills = 0
    for _ in range(25):
        before = len(run.steps)
        pid = run.start(arguments)
        arguments = ["resume", f"run={run.folder}"]
        run.wait_for_steps(before + draw.randrange(8, 16))
        time.sleep(draw.random() * 0.02)
        os.kill(pid, signal.SIGKILL)
        code = run.wait(pid)
        num_kills += code == -9
        if code == 0:
            break
    print(f"{num_kills} kills")
    if code != 0:
        assert run.resume() == 0, run.output
    assert_same_run(run, reference)


@pytest.fixture
def small_disk(tmp_path):
    """A mounted disk of two megabytes."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(path)],
        capture_output=True,
        check=False,
    )
    if not mounted or mounted.returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.mark.acceptance("A8")
def test_a_disk_that_fills_up_keeps_the_last_good_checkpoint(new_run, small_disk):
    run = new_run()
    run_folder = small_disk / "run"
    arguments = ["train", *SMALL, f"hydra.run.dir={run_folder}"]
    fill = {"at": "batch_end", "epoch": 2, "batch": 1, "do": "fill_disk"}
    assert run.wait(run.start(arguments, fault=fill)) == 6, run.output
    assert "bytes free" in run.output
    assert str(run_folder) in run.output.splitlines()[-1]
    assert not list(run_folder.rglob(".*.tmp"))
    state = checkpoint_file.load(run_folder / "checkpoints/last.ckpt")
    assert state["epoch"] == 1
    (run_folder / "ballast").unlink()
    assert run.wait(run.start(["resume", f"run={run_folder}"])) == 0, run.output


@pytest.mark.acceptance("A8")
def test_a_disk_too_small_for_the_checkpoints_is_refused_before_training(new_run, small_disk):
    run = new_run()
    arguments = ["train", *SMALL, "model.hidden_size=200", f"hydra.run.dir={small_disk}/run"]
    assert run.wait(run.start(arguments)) == 6
    assert "bytes, " in run.output.splitlines()[-1]
    assert not run.steps


@pytest.mark.acceptance("A9")
def test_a_read_only_folder_is_refused_before_torch_is_imported(tmp_path):
    (tmp_path / "file").touch()
    code = "import sys; from unrolled.cli import run; c = run(sys.argv[1:]); "
    code += "print('torch' in sys.modules); sys.exit(c)"
    done = subprocess.run(
        [sys.executable, "-c", code, "train", *SMALL, f"hydra.run.dir={tmp_path}/file/run"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 6, done.stderr
    assert done.stdout.strip() == "False"
    assert str(tmp_path / "file") in done.stderr


@pytest.mark.slow
@pytest.mark.acceptance("A9")
def test_a_folder_that_becomes_read_only_ends_the_run(new_run, small_disk):
    """small_disk skips the test if nothing can be mounted."""
    run = new_run()
    forbid = {"at": "batch_end", "epoch": 2, "batch": 1, "do": "forbid"}
    checkpoints = run.folder / "checkpoints"
    try:
        assert run.train(fault=forbid) == 6, run.output
    finally:
        subprocess.run(["umount", "-l", str(checkpoints)], check=True)
    assert "last.ckpt cannot be written: Read-only file system" in run.output
    assert run.result["state"] == "failed"
    assert run.resume() == 0, run.output

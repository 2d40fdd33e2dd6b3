"""Only one process at a time uses a run folder."""

import json
import os
import signal
import subprocess
import sys

import pytest

from unrolled.errors import CheckpointError
from unrolled.runs.result import Result
from unrolled.runs.run_folder import RunFolder

from .conftest import SMALL

HANG = {"at": "batch_end", "epoch": 1, "batch": 2, "do": "hang"}


@pytest.mark.acceptance("A24")
def test_a_second_process_is_refused_until_the_first_ends(new_run):
    run = new_run()
    train = ["train", *SMALL, f"hydra.run.dir={run.folder}"]
    pid = run.start(train, fault=HANG)
    run.wait_for_hang()
    before = (run.folder / ".hydra" / "overrides.yaml").read_text()
    assert run.resume() == 4
    assert f"in use by process {pid} on {os.uname().nodename}" in run.output
    assert run.train("seed=5") == 4
    assert (run.folder / ".hydra" / "overrides.yaml").read_text() == before
    os.kill(pid, signal.SIGKILL)
    assert run.wait(pid) == -9
    assert run.resume() == 0, run.output


@pytest.mark.parametrize("garbage", ["", "no JSON {", "[1]", '{"pid": "x\\u001b[2J"}'])
def test_garbage_in_the_lock_file_is_not_printed(garbage, tmp_path):
    folder = RunFolder(tmp_path / "run")
    with folder.claimed():
        (folder.path / ".lock").write_text(garbage)
        in_use = pytest.raises(CheckpointError, match="is in use by another process")
        with in_use, folder.held():
            pass


def test_a_folder_with_a_run_is_not_overwritten(new_run):
    run = new_run()
    assert run.train("trainer.max_epochs=1") == 0
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*") if path.is_file()}
    assert run.train("trainer.max_epochs=1") == 4
    assert f"already has a run; resume it with `unrolled resume run={run.folder}`" in run.output
    after = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*") if path.is_file()}
    assert after == before


def test_a_run_that_was_refused_does_not_block_the_corrected_command(new_run):
    run = new_run("trainer.max_epochs=1")
    assert run.train("+optimizer.eps=-1") == 2
    (run.folder / "mine.txt").touch()

    assert run.train() == 0, run.output

    (aside,) = run.folder.glob(".replaced-*")
    assert json.loads((aside / "result.json").read_text())["state"] == "failed"
    assert (run.folder / "mine.txt").is_file()


def test_a_run_that_was_killed_before_its_first_checkpoint_starts_again(new_run, uninterrupted):
    run = new_run()
    assert run.train(fault={"at": "batch_end", "epoch": 0, "batch": 2, "do": "SIGKILL"}) == -9
    assert run.resume() == 4
    assert f"to train again: unrolled train {SMALL[0]}" in run.output
    assert f"hydra.run.dir={run.folder}" in run.output

    assert run.train() == 0, run.output
    assert run.checkpoint("best")["epoch"] == uninterrupted().checkpoint("best")["epoch"]


@pytest.mark.parametrize("name", ["best.ckpt", "last.ckpt", "model.pt"])
def test_a_folder_with_a_checkpoint_is_never_taken(name, tmp_path):
    folder = RunFolder(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / name).touch()
    with pytest.raises(CheckpointError, match="already has a run"), folder.claimed():
        pass
    assert (tmp_path / "checkpoints" / name).is_file()


def test_a_folder_with_the_result_of_a_finished_fold_is_never_taken(tmp_path):
    folder = RunFolder(tmp_path)
    with folder.claimed(), RunFolder(tmp_path / "fold-1").claimed():
        RunFolder(tmp_path / "fold-1").write_result(Result(state="done"))
    with pytest.raises(CheckpointError, match="already has a run"), folder.claimed():
        pass


@pytest.mark.slow
@pytest.mark.acceptance("A23")
def test_fifty_simultaneous_starts_get_a_folder_each(new_run):
    num = 50
    run = new_run()
    brief = ["train", *SMALL, "debug=fast", "logger=none"]
    pids = [run.start(brief, cwd=str(run.path)) for _ in range(num)]
    assert [run.wait(pid) for pid in pids] == [0] * num, run.output
    assert len(list(run.path.glob("outputs/debug/random/rnn/*/result.json"))) == num


def test_only_one_of_many_claims_a_folder(tmp_path):
    code = (
        "import sys\n"
        "from unrolled.runs.run_folder import RunFolder\n"
        "folder = RunFolder(sys.argv[1])\n"
        "with folder.claimed():\n"
        "    folder.best_checkpoint.touch()\n"
        "    print('mine')"
    )
    claims = [
        subprocess.Popen(
            [sys.executable, "-c", code, f"{tmp_path}/run"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(4)
    ]
    assert sorted(claim.communicate()[0] for claim in claims) == [""] * 3 + ["mine\n"]

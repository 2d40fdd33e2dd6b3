"""A signal ends a run at its next exact checkpoint; a second one ends it at once."""

import json
import os
import signal
import subprocess
import sys

import pytest

from .conftest import NUM_BATCHES, SMALL, WAITING, Run, assert_same_run, wait_until

LONG = ("trainer.max_epochs=2000", "callbacks.early_stopping.patience=2000")
CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129, "SIGUSR1": 138}
WITHIN_BATCH = {"at": "batch_start", "epoch": 1, "batch": 2}


@pytest.mark.acceptance("A12")
def test_a_run_that_a_signal_ended_resumes_bit_for_bit(new_run, uninterrupted):
    name = "SIGTERM"
    run = new_run()
    assert run.train(fault={**WITHIN_BATCH, "do": name}) == CODES[name], run.output
    assert run.result["state"] == "interrupted"
    assert run.result["exit_code"] == CODES[name]
    assert run.steps[-1][:2] == (1, 2), "it stops at the end of the batch"
    assert f"unrolled resume run={run.folder}" in run.output
    assert run.output.splitlines()[-1] == f"run: {run.folder}"
    assert run.resume() == 0, run.output
    assert_same_run(run, uninterrupted())


@pytest.mark.slow
@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize(
    "place",
    [WITHIN_BATCH, {"at": "validation", "epoch": 1}, {"at": "batch_end", "epoch": 2, "batch": 6}],
    ids=["batch", "validation", "last_batch"],
)
@pytest.mark.parametrize("loop", [(), ("trainer.accumulate_grad_batches=3",)], ids=["one", "three"])
def test_every_signal_at_every_place(new_run, uninterrupted, name, place, loop):
    run = new_run(*loop)
    assert run.train(fault={**place, "do": name}) == CODES[name], run.output
    assert run.resume() == 0, run.output
    assert_same_run(run, uninterrupted(*loop))


@pytest.mark.acceptance("A12")
def test_a_second_signal_ends_the_run_at_once(new_run):
    run = new_run()
    hang = {**WITHIN_BATCH, "do": "hang"}
    pid = run.start(["train", *SMALL, f"hydra.run.dir={run.folder}"], fault=hang)
    run.wait_for_hang()
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: WAITING in run.output)
    os.kill(pid, signal.SIGTERM)
    assert run.wait(pid) == -signal.SIGTERM, "a run that ends after its batch exits with 143"


@pytest.mark.slow
def test_a_signal_after_training_ends_the_run_and_resume_finishes_it(new_run, uninterrupted):
    run = new_run()
    assert run.train(fault={"at": "epoch_end", "epoch": 3, "do": "SIGTERM"}) == 143, run.output
    assert run.resume() == 0, run.output
    assert_same_run(run, uninterrupted())


def test_a_command_is_interrupted_and_resumed(server, tmp_path):
    start = [sys.executable, "-c", "from unrolled.cli import main; main()"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    folder = tmp_path / "a run, with = and space"
    process = subprocess.Popen(
        [
            *start,
            "train",
            *SMALL,
            "trainer.max_epochs=2000",
            "callbacks.early_stopping.patience=2000",
            f"hydra.run.dir='{folder}'",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Epoch ["):
            break
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate()
    assert process.returncode == 130, errors
    assert output.splitlines()[-1] == f"run: {folder}"
    step = json.loads((folder / "result.json").read_text())["num_steps"]
    resumed = Run(server, tmp_path, ())
    more = f"trainer.max_epochs={step // NUM_BATCHES + 2}"
    assert resumed.wait(resumed.start(["resume", f"run={folder}", more])) == 0, resumed.output
    assert "the length of the run has changed" in resumed.output
    assert resumed.output.splitlines()[-1] == f"run: {folder}"

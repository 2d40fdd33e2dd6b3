"""One job's death never takes another with it, and nothing done is done again."""

import json
import multiprocessing
import os
import random
import signal
import time

import pytest

from conftest import compose
from resume.conftest import WAITING, wait_until
from unrolled.errors import ConfigError
from unrolled.runs.run_folder import RunFolder
from unrolled.sweeps.forked_launcher import ForkedLauncher, Job

DEATHS = {
    2: ("fail", 1, "ValueError: a planted error"),
    3: ("exit", 1, "sys.exit(0)"),
    4: ("SIGKILL", 137, "killed by SIGKILL"),
    5: ("nan", 5, "not finite"),
    6: ("run_out_of_memory", 7, "out of memory"),
}


def faults(offset=0):
    return [
        {"at": "batch_start", "batch": 3, "seed": seed + offset, "do": do}
        for seed, (do, _, _) in DEATHS.items()
    ]


@pytest.mark.acceptance("A19")
@pytest.mark.acceptance("A25")
def test_five_kinds_of_death_leave_the_other_jobs_alone(new_sweep):
    sweep = new_sweep("seed=2,3,4,5,6,7")

    assert sweep.go(faults=faults()) == 1, sweep.output

    results = sweep.results
    assert {seed for seed in results if results[seed]["state"] == "done"} == {7}
    for seed, (_, code, reason) in DEATHS.items():
        assert results[seed]["exit_code"] == code, results[seed]
        assert reason in results[seed]["error"]
        assert any(f"seed={seed}: FAILED ({code})" in line for line in sweep.lines), sweep.output
        assert reason in (sweep.folder / "sweep.md").read_text()
    assert "Traceback" in (results[2]["folder"] / "train.log").read_text()
    assert "killed by SIGKILL" in (results[4]["folder"] / "train.log").read_text()
    assert "5 of 6 jobs are not done" in sweep.output
    assert "Traceback" not in sweep.output
    assert "Error executing job" not in sweep.output, "Hydra's word, of one job only"

    assert sweep.go() == 0, sweep.output  # only what failed is run again
    assert {line.split("seed=")[1][0] for line in sweep.lines if "done before" in line} == {"7"}
    assert all(result["state"] == "done" for result in sweep.results.values())


def test_sweep_side_by_side_is_the_one_after_the_other(new_sweep, finished):
    sweep = new_sweep(*finished.overrides)

    assert sweep.go("hydra.launcher.jobs_at_once=3") == 0, sweep.output

    assert sweep.table == finished.table
    assert {seed: result["scores"] for seed, result in sweep.results.items()} == {
        seed: result["scores"] for seed, result in finished.results.items()
    }


@pytest.mark.acceptance("A13")
def test_signal_stops_the_sweep_and_the_same_command_goes_on(new_sweep, finished):
    sweep = new_sweep(*finished.overrides)
    hang = {"at": "batch_start", "batch": 3, "seed": 2, "do": "hang"}
    one = "hydra.launcher.jobs_at_once=1"
    pid = sweep.begin(one, faults=[hang])
    sweep.wait_for_hang()
    os.kill(pid, signal.SIGTERM)
    (log,) = sweep.folder.glob("*seed-2*/output.log")
    wait_until(lambda: WAITING in log.read_text())  # for a batch that never ends
    os.kill(pid, signal.SIGTERM)

    assert sweep.wait(pid) == 143, sweep.output
    (line,) = [line for line in sweep.output.splitlines() if "did not run" in line]
    assert "1 of 3 jobs did not run" in line
    assert line.endswith(f"hydra.sweep.dir={sweep.folder}")

    assert sweep.go(one) == 0, sweep.output
    assert sweep.table == finished.table


def test_signal_to_one_job_is_a_failure_of_that_job(new_sweep):
    sweep = new_sweep("seed=1,2,3")
    stop = {"at": "batch_end", "batch": 2, "seed": 2, "do": "SIGTERM"}

    assert sweep.go(faults=[stop]) == 1, sweep.output

    states = {seed: result["state"] for seed, result in sweep.results.items()}
    assert states == {1: "done", 2: "interrupted", 3: "done"}
    num_steps = len(sweep.steps)
    assert sweep.go() == 0, sweep.output
    assert len(sweep.steps) == num_steps + 4  # it continues behind its third batch


def test_jobs_die_with_a_sweep_that_is_killed(new_sweep, finished):
    sweep = new_sweep(*finished.overrides)
    hang = {"at": "batch_start", "batch": 3, "seed": 2, "do": "hang"}
    pid = sweep.begin(faults=[hang])
    sweep.wait_for_hang()
    os.kill(pid, signal.SIGKILL)

    assert sweep.wait(pid) == -signal.SIGKILL
    assert sweep.go() == 0, sweep.output
    assert sweep.table == finished.table


def test_fail_fast_ends_the_sweep_with_the_first_failure(new_sweep):
    sweep = new_sweep("seed=1,2,3", "sweep.fail_fast=true")
    fail = {"at": "batch_start", "batch": 3, "seed": 1, "do": "fail"}

    assert sweep.go("hydra.launcher.jobs_at_once=1", faults=[fail]) == 1

    assert sweep.results.keys() == {1}
    assert sweep.output.count("2 of 3 jobs did not run") == 1


@pytest.mark.slow
def test_sweep_killed_at_five_random_moments_gives_the_same_table(new_sweep):
    seeds = "seed=1,2,3,4,5,6,7,8"
    whole, sweep = new_sweep(seeds), new_sweep(seeds)
    assert whole.go() == 0, whole.output
    moments = random.Random(0)
    for _ in range(5):
        pid = sweep.begin()
        time.sleep(moments.uniform(0.5, 4.0))
        os.kill(pid, signal.SIGKILL)
        sweep.wait(pid)
    assert sweep.go() == 0, sweep.output
    assert sweep.table == whole.table


@pytest.mark.rare
@pytest.mark.timeout(7200)
@pytest.mark.acceptance("A25")
def test_a_thousand_jobs_of_which_five_die(new_sweep):
    sweep = new_sweep(f"seed={','.join(map(str, range(1000)))}", "logger=none", "sweep.keep=none")

    assert sweep.go(faults=faults(offset=500)) == 1

    states = [json.loads(path.read_text())["state"] for path in sweep.folder.glob("*/result.json")]
    assert (states.count("done"), states.count("failed")) == (995, 5)
    num_steps = len(sweep.steps)
    assert sweep.go() == 0
    assert sum("done before" in line for line in sweep.lines) == 995
    assert num_steps + 5 * 4 <= len(sweep.steps) <= num_steps + 5 * 7


def test_a_job_that_takes_too_long_is_ended_and_the_others_go_on(tmp_path):
    launcher = ForkedLauncher(jobs_at_once=2, gpu_gigabytes=4.0)
    launcher.config = compose("sweep.job_minutes=0.5")
    late, other = (started(number, tmp_path / str(number)) for number in range(2))
    late.deadline = 0.0  # in the past
    launcher._running = [late, other]
    try:
        while late not in (ended := launcher._ended()):
            pass
        outcome = launcher._close(late)
    finally:
        other.process.kill()

    assert ended == [late]
    assert (outcome.state, outcome.error) == ("failed", "killed after sweep.job_minutes=0.5")
    assert RunFolder(tmp_path / "0").result().exit_code == 128 + signal.SIGKILL
    other.process.join()


def started(number, folder):
    """Return a job that never ends."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=signal.pause)
    process.start()
    theirs.close()
    return Job(number, [], number, process, ours, folder=RunFolder(folder))


def test_a_limit_on_jobs_needs_a_launcher_that_obeys_it():
    with pytest.raises(ConfigError, match=r"sweep\.job_minutes=5: it needs hydra/launcher=forked"):
        compose("sweep.job_minutes=5", "hydra/launcher=basic")

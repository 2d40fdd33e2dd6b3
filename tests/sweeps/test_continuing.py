"""A job that is done is not done again, unless config, data or source make it another one."""

import json

import pytest

from conftest import compose
from unrolled.runs.run_folder import RunFolder
from unrolled.sweeps.jobs import _earlier_result


def before(sweep):
    """Return the seeds of the jobs that were found done."""
    return {int(line.split("seed=")[1][0]) for line in sweep.lines if "done before" in line}


def test_same_command_again_runs_nothing(copied, finished):
    assert copied.go() == 0, copied.output

    assert before(copied) == {1, 2, 3}
    assert copied.steps == []
    assert copied.table == finished.table


def test_more_values_run_only_what_is_new(copied):
    assert copied.go("seed=1,2,3,4") == 0, copied.output

    assert before(copied) == {1, 2, 3}
    assert copied.results.keys() == {1, 2, 3, 4}


def test_another_way_to_watch_is_the_same_job(copied):
    assert copied.go("callbacks.watchdog.minutes=5", "logger=default") == 0

    assert copied.steps == []


def test_edited_source_is_run_again_and_the_old_run_set_aside(copied, finished):
    folder = copied.results[2]["folder"]
    provenance = json.loads((folder / "provenance.json").read_text())
    (folder / "provenance.json").write_text(json.dumps(provenance | {"source_hash": "edited"}))

    assert copied.go() == 0, copied.output

    assert before(copied) == {1, 3}
    (aside,) = folder.glob(".replaced-*")
    assert (aside / "checkpoints" / "best.ckpt").is_file()
    assert copied.table == finished.table, "what was set aside is in no table"


@pytest.mark.parametrize("has_config", [False, True])
def test_a_job_that_was_killed_before_its_first_checkpoint_starts_again(tmp_path, has_config):
    folder = RunFolder(tmp_path / "job")
    config = compose("trainer=cpu")
    with folder.claimed():
        if has_config:
            folder.write_config(config)
            (folder.path / "checkpoints" / ".last.ckpt.tmp").touch()

    assert _earlier_result(config, folder) is None

    with folder.claimed():  # raises if the folder is not free
        pass


def test_other_data_is_run_again(copied):
    assert copied.go(other_data=True) == 0, copied.output

    assert before(copied) == set()


@pytest.mark.parametrize("keep", ["best", "none"])
def test_checkpoints_are_kept_as_asked_and_nothing_is_run_again(new_sweep, keep):
    sweep = new_sweep("seed=1,2", f"sweep.keep={keep}")

    assert sweep.go() == 0, sweep.output

    results = sweep.results
    best = min(results, key=lambda seed: results[seed]["best"]["value"])
    kept = [path.parent.parent for path in sweep.folder.glob("*/checkpoints/*.ckpt")]
    assert kept == ([results[best]["folder"]] if keep == "best" else [])
    num_steps = len(sweep.steps)
    assert sweep.go() == 0
    assert len(sweep.steps) == num_steps


def test_typo_in_a_later_value_is_told_before_the_first_job(new_sweep):
    sweep = new_sweep("optimizer=adam,sdg", "seed=1")

    assert sweep.go() == 2

    assert "did you mean 'sgd'" in sweep.output
    assert sweep.steps == []


def test_same_job_twice_is_refused(new_sweep):
    sweep = new_sweep("seed=1,1")

    assert sweep.go() == 2
    assert "twice" in sweep.output

"""Runs of several trainings resume: what is done stays done, and the rest is the same."""

import json

from unrolled.config.compound import member_seed

from .conftest import NUM_BATCHES, Run, differences

ENSEMBLE = ("ensemble=3", "trainer.max_epochs=2", "logger=none")
FOLDS = (
    *("data.test_fold=all", "data.num_folds=2", "trainer.max_epochs=2", "logger=none"),
    "ensemble=2",
)
KILL = {"at": "batch_end", "epoch": 1, "batch": 3, "seed": member_seed(1, 2)}


def part(run: Run, name: str) -> Run:
    """Return a training of a run as a run of its own."""
    found = Run(run.server, run.path, run.overrides)
    found.__class__ = type("Part", (Run,), {"folder": property(lambda _: run.folder / name)})
    return found


def assert_same(run: Run, reference: Run, names: tuple[str, ...]) -> None:
    assert run.result["state"] == "done", run.output
    for name in names:
        theirs = part(reference, name).checkpoint("last")
        found = differences(part(run, name).checkpoint("last"), theirs)
        assert not found, found[:10]
    for key in ("scores", "confusion", "num_steps", "num_parameters"):
        assert run.result[key] == reference.result[key], key
    before, now = reference.steps, run.steps
    assert set(now) == set(before)


def test_a_killed_ensemble_resumes_within_its_second_member(new_run, uninterrupted):
    run = new_run(*ENSEMBLE)
    assert run.train("checkpoint.every_n_steps=1", fault={**KILL, "do": "SIGKILL"}) == -9
    first = (run.folder / "member-1" / "result.json").read_text()
    num_before = len(run.steps)

    assert run.resume() == 0, run.output

    assert_same(run, uninterrupted(*ENSEMBLE), ("member-1", "member-2", "member-3"))
    assert (run.folder / "member-1" / "result.json").read_text() == first
    assert len(run.steps) - num_before < 2 * 2 * NUM_BATCHES, "finished steps are not repeated"
    assert run.resume() == 0
    assert "already complete" in run.output


def test_a_signal_prints_the_command_that_resumes_the_whole_run(new_run, uninterrupted):
    run = new_run(*ENSEMBLE)

    assert run.train(fault={**KILL, "do": "SIGINT"}) == 130, run.output

    assert run.output.count("to resume: ") == 1
    assert f"to resume: unrolled resume run={run.folder}\n" in run.output
    assert run.result["state"] == "interrupted"
    assert run.resume() == 0, run.output
    assert_same(run, uninterrupted(*ENSEMBLE), ("member-1", "member-2", "member-3"))


def test_a_cross_validation_resumes_from_any_place(new_run, uninterrupted):
    reference = uninterrupted(*FOLDS)
    run = new_run(*FOLDS)
    in_member_2 = {"seed": member_seed(1, 2), "do": "SIGKILL"}
    assert run.train(fault={"at": "train_start", **in_member_2}) == -9
    assert run.resume(fault={"at": "epoch_end", **in_member_2}) == -9

    assert run.resume() == 0, run.output

    assert_same(run, reference, ("fold-1/member-2", "fold-2/member-1", "member-2"))
    for name in ("out_of_fold.csv", "fold-1/preprocessing.json", "preprocessing.json"):
        assert (run.folder / name).read_text() == (reference.folder / name).read_text()


def test_a_longer_ensemble_trains_each_member_further(new_run):
    run = new_run("ensemble=2", "trainer.max_epochs=1", "scheduler=none")
    assert run.train() == 0

    assert run.resume("trainer.max_epochs=2") == 0, run.output

    assert run.result["num_steps"] == 2 * 2 * NUM_BATCHES
    assert run.resume("seed=2") == 4
    assert "seed: 1 -> 2" in run.output


def test_changed_data_is_refused_before_the_next_member_is_trained(new_run):
    run = new_run(*ENSEMBLE)
    assert run.train(fault={"at": "train_start", "seed": KILL["seed"], "do": "SIGKILL"}) == -9
    num_steps = len(run.steps)

    assert run.resume(other_data=True) == 4

    assert "member-1: the data has changed" in run.output
    assert len(run.steps) == num_steps
    assert json.loads((run.folder / "result.json").read_text())["exit_code"] == 4

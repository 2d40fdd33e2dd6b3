"""Epochs of milliseconds do not write `last.ckpt` each time, and runs still resume bit for bit."""

from unrolled.runs import checkpoint_file

from .conftest import assert_same_run

NO_VALIDATION = "trainer.limit_val_batches=0"
RARELY = "checkpoint.min_seconds=1000"
KILL = {"at": "batch_end", "epoch": 2, "batch": 3}


def steps_of(run):
    """Return the steps of best.ckpt and last.ckpt."""
    paths = [run.folder / f"checkpoints/{name}.ckpt" for name in ("best", "last")]
    return [checkpoint_file.load(path)["global_step"] for path in paths]


def test_a_killed_run_resumes_after_its_first_epoch(new_run, uninterrupted):
    run = new_run(NO_VALIDATION, RARELY)
    assert run.train(fault={**KILL, "do": "SIGKILL"}) == -9
    assert steps_of(run) == [7, 7]
    assert run.resume() == 0, run.output
    assert steps_of(run) == [28, 28], "the last epoch is always written"
    assert_same_run(run, uninterrupted(NO_VALIDATION))


def test_a_signal_loses_no_step(new_run, uninterrupted):
    run = new_run(RARELY)
    assert run.train(fault={**KILL, "do": "SIGTERM"}) == 143, run.output
    assert run.resume() == 0, run.output
    assert len(run.steps) == 28
    assert_same_run(run, uninterrupted())


def test_an_epoch_that_wrote_the_best_checkpoint_writes_the_last_one(new_run, uninterrupted):
    rising = ("monitor.mode=max", "recipe.lr=0.01")  # val/loss rises in each epoch
    run = new_run(RARELY, *rising)
    assert run.train(fault={**KILL, "do": "SIGKILL"}) == -9
    assert steps_of(run) == [14, 14]
    assert run.resume() == 0, run.output
    assert_same_run(run, uninterrupted(*rising))

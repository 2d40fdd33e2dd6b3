"""Runs that trainer.max_steps ends, within an epoch or at its end."""

from typing import Any

import pytest

from .conftest import Run, assert_same_run

RECIPE = ("loss.mixup=0.2", "loss.label_smoothing=0.1", "data.drop_last=true")  # 6 batches
STEPS = ("trainer.max_steps=24", "trainer.max_epochs=-1")  # 3 epochs of 7 batches, then 3 batches
WITHIN = "checkpoint.every_n_steps=1"
NO_VALIDATION = "trainer.limit_val_batches=0"
ACCUMULATED = ("trainer.accumulate_grad_batches=2", "trainer.max_steps=14")  # 3 epochs, 4 batches

IN_FIRST_EPOCH = {"at": "batch_end", "epoch": 0, "batch": 4}
KILLS = [
    {"at": "epoch_end", "epoch": 1},
    {"at": "batch_start", "epoch": 2, "batch": 0},
    {"at": "batch_end", "epoch": 3, "batch": 2},
    {"at": "validation", "epoch": 3},
    {"at": "epoch_end", "epoch": 3},
    {"at": "train_end"},
]
NOT_VALIDATED = [place for place in KILLS if place["at"] != "validation"]


def train_with_kills(run: Run, places: list[dict[str, Any]]) -> None:
    """Train, killed at each of the places in turn and resumed after each."""
    codes = [run.train(fault={**places[0], "do": "SIGKILL"})]
    codes += [run.resume(fault={**place, "do": "SIGKILL"}) for place in places[1:]]
    assert codes == [-9] * len(places), run.output
    assert run.resume() == 0, run.output


@pytest.mark.parametrize(
    ("overrides", "places"),
    [
        ((*STEPS, WITHIN), [IN_FIRST_EPOCH, *KILLS]),
        ((*STEPS, NO_VALIDATION), NOT_VALIDATED),
        pytest.param(STEPS, KILLS, marks=pytest.mark.slow),
        pytest.param((*STEPS, *ACCUMULATED), KILLS, marks=pytest.mark.slow),
        (
            (*STEPS, *RECIPE, *ACCUMULATED, "trainer.max_steps=11", NO_VALIDATION, WITHIN),
            [IN_FIRST_EPOCH, *NOT_VALIDATED[1:2], *NOT_VALIDATED[4:]],
        ),
    ],
)
def test_a_run_with_a_budget_of_steps_resumes_bit_for_bit(
    new_run, uninterrupted, overrides, places
):
    reference = uninterrupted(*overrides)
    run = new_run(*overrides)
    train_with_kills(run, places)
    assert_same_run(run, reference)
    assert run.result["num_epochs"] == 4
    assert "Epoch [3/4]" in run.output
    assert run.result["stopped_by"] == reference.result["stopped_by"]


def test_a_budget_that_ends_with_an_epoch_resumes_bit_for_bit(new_run, uninterrupted):
    overrides = ("trainer.max_steps=14", "trainer.max_epochs=-1")
    run = new_run(*overrides)
    train_with_kills(run, [{"at": "validation", "epoch": 1}, {"at": "train_end"}])
    assert_same_run(run, uninterrupted(*overrides))
    assert run.result["num_epochs"] == 2


@pytest.mark.parametrize("num_steps", [14, 24])
def test_a_run_resumes_bit_for_bit_from_the_best_checkpoint_of_its_last_step(
    num_steps, new_run, uninterrupted
):
    rising = ("monitor.mode=max", "recipe.lr=0.01")  # val/loss rises, so the end is the best
    schedule = ("scheduler=plateau", "scheduler.patience=0")
    overrides = (f"trainer.max_steps={num_steps}", "trainer.max_epochs=-1", *rising, *schedule)
    run = new_run(*overrides)
    last_epoch = (num_steps - 1) // 7
    assert run.train(fault={"at": "epoch_end", "epoch": last_epoch, "do": "SIGKILL"}) == -9
    assert run.checkpoint("best")["global_step"] == num_steps
    (run.folder / "checkpoints/last.ckpt").unlink()
    assert run.resume() == 0, run.output
    assert_same_run(run, uninterrupted(*overrides))


def test_the_last_part_of_an_epoch_is_validated(uninterrupted):
    run = uninterrupted(*STEPS, WITHIN)
    rows = [line.split(",") for line in (run.folder / "metrics.csv").read_text().splitlines()]
    validated = rows[0].index("val/loss")
    assert [row[1] for row in rows[1:] if row[validated]] == ["6", "13", "20", "23"]


def test_fewer_steps_than_an_epoch_are_trained_validated_and_tested(new_run):
    run = new_run("trainer.max_steps=3", "trainer.max_epochs=-1")
    assert run.train() == 0, run.output
    assert [step[:2] for step in run.steps] == [(0, 0), (0, 1), (0, 2)]
    assert run.result["best"]["step"] == 3
    assert {"train/loss", "val/loss", "test/loss"} <= run.result["scores"].keys()
    assert run.result["stopped_by"] == "trainer.max_steps=3 reached"
    assert "Epoch [1/1]" in run.output
    assert "training ended after epoch 1: trainer.max_steps=3 reached" in run.output


def test_the_last_weights_are_used_without_validation(uninterrupted):
    run = uninterrupted(*STEPS, NO_VALIDATION)
    assert run.result["best"]["step"] == 24
    assert run.result["selection"] == "last epoch: there was no validation"


def test_the_smaller_of_steps_and_epochs_ends_a_run(new_run):
    run = new_run("trainer.max_steps=24", "trainer.max_epochs=1")
    assert run.train() == 0, run.output
    assert run.result["num_steps"] == 7
    assert run.result["stopped_by"] is None


def test_more_steps_continue_with_the_next_epoch(new_run):
    run = new_run("trainer.max_steps=10", "trainer.max_epochs=-1")
    assert run.train() == 0, run.output
    assert run.resume("trainer.max_steps=19") == 0, run.output
    places = [(0, b) for b in range(7)] + [(1, b) for b in range(3)]
    places += [(2, b) for b in range(7)] + [(3, b) for b in range(2)]
    assert [step[:2] for step in run.steps] == places
    assert run.result["num_steps"] == 19

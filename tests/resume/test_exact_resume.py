"""A run that is killed and resumed equals an uninterrupted run, bit for bit."""

from itertools import combinations, product
from pathlib import Path

import pytest

from .conftest import NUM_BATCHES, assert_same_run

SCHEDULERS = [path.stem for path in (Path(__file__).parents[2] / "conf/scheduler").glob("*.yaml")]

# Settings that change how Lightning iterates over an epoch.
LOOPS = {
    "plain": (),
    "accumulation": ("trainer.accumulate_grad_batches=3",),
    "validation_within_epochs": ("trainer.val_check_interval=3",),
    "fewer_batches": ("trainer.limit_train_batches=5", "trainer.limit_val_batches=1"),
    "max_steps": ("trainer.max_steps=24",),
    "unshuffled": ("data.shuffle=false",),
    "redrawn_data": ("data.source.redraw=true",),
    "curriculum": (
        "data.curriculum_epochs=3",
        "data.source._target_=unrolled.data.tasks.parity.Parity",
        *(f"~data.source.{key}" for key in ("num_steps", "num_features", "num_classes", "redraw")),
        *("+data.source.min_steps=2", "+data.source.max_steps=9"),
        *("+data.source.test_min_steps=9", "+data.source.test_max_steps=12"),
    ),
}
WITHIN = "checkpoint.every_n_steps=1"
KILLS = {
    "first_batch": {"at": "batch_start", "epoch": 1, "batch": 0},
    "middle_batch": {"at": "batch_end", "epoch": 1, "batch": 3},
    "last_batch": {"at": "batch_end", "epoch": 1, "batch": NUM_BATCHES - 1},
    "validation": {"at": "validation", "epoch": 2},
}
QUICK = [
    ("cosine", "accumulation", "validation", True),
    ("plateau", "validation_within_epochs", "last_batch", True),
    ("step", "max_steps", "first_batch", False),
    ("cosine", "curriculum", "middle_batch", True),
    ("none", "redrawn_data", "middle_batch", True),
]


def check(new_run, uninterrupted, scheduler, loop, kill, *, within):
    overrides = (f"scheduler={scheduler}", *LOOPS[loop], *([WITHIN] if within else []))
    reference = uninterrupted(*overrides)
    run = new_run(*overrides)
    place = dict(KILLS[kill])
    if loop == "fewer_batches" and kill == "last_batch":
        place["batch"] = 4
    assert run.train(fault={**place, "do": "SIGKILL"}) == -9, run.output
    assert run.resume() == 0, run.output
    assert_same_run(run, reference)


@pytest.mark.parametrize(("scheduler", "loop", "kill", "within"), QUICK)
@pytest.mark.acceptance("A1")
@pytest.mark.acceptance("A2")
@pytest.mark.acceptance("A4")
def test_a_killed_run_resumes_bit_for_bit(new_run, uninterrupted, scheduler, loop, kill, within):
    check(new_run, uninterrupted, scheduler, loop, kill, within=within)


def each_pair() -> list[tuple[str, str, str, bool]]:
    """Return 32 cases that contain each pair of values of two settings: a Latin square."""
    kills = list(KILLS)
    return [
        (scheduler, loop, kills[(s + n) % len(kills)], (s + n // len(kills)) % 2 == 0)
        for s, scheduler in enumerate(sorted(SCHEDULERS))
        for n, loop in enumerate(LOOPS)
    ]


def test_the_cases_contain_each_pair_of_values():
    settings = (SCHEDULERS, LOOPS, KILLS, (True, False))
    cases = each_pair()
    for (i, left), (j, right) in combinations(enumerate(settings), 2):
        assert {(case[i], case[j]) for case in cases} == set(product(left, right))


@pytest.mark.slow
@pytest.mark.parametrize(("scheduler", "loop", "kill", "within"), each_pair())
def test_a_killed_run_resumes_bit_for_bit_for_each_pair_of_settings(
    new_run, uninterrupted, scheduler, loop, kill, within
):
    check(new_run, uninterrupted, scheduler, loop, kill, within=within)


@pytest.mark.rare
@pytest.mark.parametrize("within", [True, False])
@pytest.mark.parametrize("kill", KILLS)
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("scheduler", sorted(SCHEDULERS))
def test_a_killed_run_resumes_bit_for_bit_in_every_case(
    new_run, uninterrupted, scheduler, loop, kill, within
):
    check(new_run, uninterrupted, scheduler, loop, kill, within=within)

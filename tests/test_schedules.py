"""The learning rate of each step, for every option in conf/scheduler."""

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.optim import SGD, Optimizer

from conftest import compose
from unrolled.classifier import schedules
from unrolled.classifier.module import SequenceClassifier
from unrolled.training.trainer import build_classifier

NUM_STEPS, STEPS_PER_EPOCH, RATE = 40, 8, 0.3

# Factor on the learning rate at each of 40 steps, as documented in the header of each option.
DOCUMENTED: dict[str, Callable[[int], float]] = {
    "none": lambda step: 1.0,
    # 0.05 of 40 steps are a warm-up of 2, then half a cosine over the 38 that are left
    "cosine": lambda step: (
        (step + 1) / 3 if step < 2 else (1 + math.cos(math.pi * (step - 2) / 38)) / 2
    ),
    "step": lambda step: 1.0 if step < 20 else 0.1 if step < 30 else 0.01,
    "plateau": lambda step: 1.0,  # depends on the score only
}


def schedule_of(option: str, *overrides: str) -> tuple[Optimizer, dict[str, Any]]:
    config = compose(f"scheduler={option}", *overrides)
    classifier = build_classifier(
        config, num_features=2, num_steps=10, num_classes=2, class_weights=None
    )
    optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    schedule = classifier.make_schedule(
        optimizer, num_steps=NUM_STEPS, steps_per_epoch=STEPS_PER_EPOCH
    )
    return optimizer, dict(schedule)


def test_every_step_has_the_documented_rate(each_scheduler: str) -> None:
    optimizer, schedule = schedule_of(each_scheduler)
    rates = []
    for _ in range(NUM_STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if each_scheduler != "plateau":
            schedule["scheduler"].step()
    expected = [RATE * DOCUMENTED[each_scheduler](step) for step in range(NUM_STEPS)]
    assert rates == pytest.approx(expected, rel=1e-12)


def test_a_cosine_ends_at_its_final_factor_and_stays_there() -> None:
    optimizer, schedule = schedule_of("cosine", "scheduler.final_factor=0.2")
    for _ in range(NUM_STEPS + 5):
        optimizer.step()
        schedule["scheduler"].step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.2 * RATE)


def test_a_cosine_without_warm_up_starts_at_the_full_rate() -> None:
    optimizer, _ = schedule_of("cosine", "scheduler.warmup=0")
    assert optimizer.param_groups[0]["lr"] == RATE


def test_a_plateau_is_checked_once_per_epoch() -> None:
    _, schedule = schedule_of("plateau")
    assert (schedule["interval"], schedule["frequency"]) == ("step", STEPS_PER_EPOCH)


def test_a_plateau_halves_the_rate_when_patience_is_used_up() -> None:
    optimizer, schedule = schedule_of(
        "plateau", "scheduler.patience=3", "monitor.metric=val/accuracy"
    )
    rates = []
    for score in [0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.7]:  # better twice, then four times not
        schedule["scheduler"].step(score)
        rates.append(optimizer.param_groups[0]["lr"] / RATE)
    assert rates == [1, 1, 1, 1, 1, 0.5, 0.5]


def test_a_plateau_watches_the_monitored_score() -> None:
    optimizer, schedule = schedule_of("plateau", "scheduler.patience=0")
    for loss in [0.9, 0.8, 0.7]:
        schedule["scheduler"].step(loss)
    assert schedule["monitor"] == "val/loss"
    assert optimizer.param_groups[0]["lr"] == RATE


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"warmup": 1.0, "final_factor": 0.0}, r"0 <= scheduler\.warmup < 1 .* got 1\.0 and 0\.0"),
        ({"warmup": 0.0, "final_factor": 1.5}, r"scheduler\.final_factor <= 1, got 0\.0 and 1\.5"),
    ],
)
def test_an_invalid_cosine_is_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        schedules.Cosine(**changes)


@pytest.mark.parametrize("drop", [0.0, 1.0, 12])
def test_a_drop_outside_the_run_is_refused(drop: float) -> None:
    with pytest.raises(ValueError, match=r"0 < drop < 1 for each of scheduler\.drops, got \[0\.5,"):
        schedules.Step(drops=[0.5, drop], factor=0.1)


# in a run

FEW = ("data=random", "data.source.num_train=40", "data.batch_size=5", "model.hidden_size=4")


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The learning rates of all optimizer steps in a test."""
    seen: list[float] = []
    monkeypatch.setattr(
        SequenceClassifier,
        "on_before_optimizer_step",
        lambda self, optimizer: seen.append(optimizer.param_groups[0]["lr"]),
    )
    return seen


@pytest.mark.parametrize("num_accumulated", [1, 3])  # 8 steps per epoch, or 3
def test_a_schedule_is_as_long_as_the_run(
    num_accumulated: int, rates: list[float], train_in: Callable[..., SimpleNamespace]
) -> None:
    train_in(
        *FEW,
        "scheduler=step",
        "trainer.max_epochs=4",
        f"trainer.accumulate_grad_batches={num_accumulated}",
        "optimizer.lr=0.5",
        "logger=none",
        "test=false",
    )
    num_steps = 32 if num_accumulated == 1 else 12
    half, quarter = num_steps // 2, num_steps // 4
    assert rates == pytest.approx([0.5] * half + [0.05] * quarter + [0.005] * quarter)


@pytest.mark.parametrize(
    ("length", "num_steps"),
    [
        (("trainer.max_steps=20", "trainer.max_epochs=-1"), 20),  # 2 epochs and a half
        (("trainer.max_steps=4", "trainer.max_epochs=9"), 4),
        (("trainer.max_steps=20", "trainer.max_epochs=2"), 16),
    ],
)
def test_a_cosine_is_as_long_as_the_smaller_of_steps_and_epochs(
    length: tuple[str, ...],
    num_steps: int,
    rates: list[float],
    train_in: Callable[..., SimpleNamespace],
) -> None:
    train_in(*FEW, *length, "scheduler.warmup=0.25", "optimizer.lr=1", "logger=none", "test=false")
    num_warmup = num_steps // 4
    expected = [(step + 1) / (num_warmup + 1) for step in range(num_warmup)]
    num_left = num_steps - num_warmup
    expected += [(1 + math.cos(math.pi * step / num_left)) / 2 for step in range(num_left)]
    assert rates == pytest.approx(expected)


def test_a_plateau_in_a_run_waits_whole_epochs(
    rates: list[float], train_in: Callable[..., SimpleNamespace]
) -> None:
    train_in(
        *FEW,
        "scheduler=plateau",
        "scheduler.patience=0",
        "trainer.max_epochs=3",
        "optimizer.lr=1e-30",  # so small that the loss does not improve
        "logger=none",
        "test=false",
    )
    assert rates == pytest.approx([1e-30] * 16 + [5e-31] * 8, rel=1e-9)

"""A run stops at the first number that is not finite, and keeps its last good checkpoint."""

import math
from unittest.mock import MagicMock

import pytest
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn, TrainerState

from unrolled.callbacks import finite
from unrolled.callbacks.checkpoint import BestAndLast
from unrolled.callbacks.finite import StopNotFinite
from unrolled.callbacks.stop_signals import StopSignals
from unrolled.contracts import Batch
from unrolled.errors import NotFiniteError
from unrolled.runs import checkpoint_file


class Model(LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)


NAN = {"at": "batch_start", "epoch": 2, "batch": 3, "do": "nan"}


@pytest.mark.acceptance("A15")
def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_step(new_run, uninterrupted):
    run = new_run()
    assert run.train(fault=NAN, first=True) == 5, run.output
    message = run.result["error"]
    _, _, ids, _ = next(s for s in uninterrupted().steps if s[:2] == (2, 3))
    assert "not finite at step 18 (epoch 2, learning rate " in message
    assert ", ".join(map(str, ids)) in message
    for name in ("best", "last"):
        state = checkpoint_file.load(run.folder / f"checkpoints/{name}.ckpt")
        assert state["epoch"] < 2
        assert all(torch.isfinite(weight).all() for weight in state["state_dict"].values())


@pytest.mark.slow
def test_a_diverging_run_stops(new_run):
    run = new_run("recipe.lr=1e30", "scheduler=none")
    assert run.train() == 5
    assert run.result["state"] == "failed"


def test_checks_at_intervals_find_the_first_faulty_step(monkeypatch):
    """As on a GPU, where a check in each step would cost a synchronization."""
    watch = StopNotFinite()
    for step in range(10):
        ids = torch.tensor([step])
        watch._values.append(torch.tensor(math.nan if step >= 4 else 1.0))
        watch._places.append((step, 0, 0.1, ids))
    with pytest.raises(NotFiniteError, match=r"at step 4 .* sequences 4"):
        watch.check()
    assert finite.STEPS_BETWEEN_CHECKS > 1


@pytest.mark.parametrize("precision", ["16-true", "32-true"])
def test_a_number_of_16_bits_that_is_not_finite_is_reported_with_the_precision(precision):
    trainer = MagicMock(Trainer, precision=precision, global_step=1, current_epoch=0)
    ones = torch.ones(1, dtype=torch.long)
    batch = Batch(torch.zeros(1, 1, 1), ones, ones, ones)
    loss = {"loss": torch.tensor(math.nan)}
    with pytest.raises(NotFiniteError) as stop:
        StopNotFinite().on_train_batch_end(trainer, MagicMock(LightningModule), loss, batch, 0)
    expected = "trainer.precision=32-true in place of 16-true"
    assert (expected in str(stop.value)) == (precision == "16-true")


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
@pytest.mark.acceptance("A16")
def test_a_score_that_is_not_finite_is_never_the_best(wrong, tmp_path):
    saved = []
    trainer = MagicMock(spec=Trainer)
    trainer.state = TrainerState(fn=TrainerFn.FITTING)
    trainer.sanity_checking = False
    trainer.current_epoch, trainer.global_step = 0, 0
    trainer.default_root_dir = str(tmp_path)
    trainer.loggers = []
    trainer.lightning_module = Model()
    trainer.save_checkpoint = lambda path: saved.append(float(trainer.callback_metrics[name]))
    name = "val/accuracy"
    checkpoint = BestAndLast(
        monitor=name,
        mode="max",
        every_minutes=None,
        every_n_steps=None,
        min_seconds=0.0,
        finite=StopNotFinite(),
        signals=StopSignals(),
    )
    for score in (wrong, 0.5, wrong, 0.25, 0.75):
        trainer.callback_metrics = {name: torch.tensor(score)}
        checkpoint.on_validation_end(trainer, trainer.lightning_module)
    assert saved == [0.5, 0.75]
    assert checkpoint.best.value == 0.75


def test_weights_that_are_not_finite_are_never_saved():
    model = Model()
    model.layer.bias.data[1] = math.inf
    with pytest.raises(NotFiniteError, match=r"layer\.bias"):
        StopNotFinite().require_finite_weights(model)

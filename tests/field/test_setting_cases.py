"""Cases from the field about settings and small classes, with one assertion each.

The name of a test is the name of its case. Each case trains tiny networks: whether a setting is a
run or an error does not depend on the size.
"""

from pathlib import Path
from typing import Any

import pytest

from unrolled.cli import run
from unrolled.errors import ConfigError

CASES = Path(__file__).parent / "cases"
TINY = (
    *("data=random", "data.source.num_train=9", "data.source.num_val=4", "data.source.num_test=4"),
    *("data.source.num_steps=6", "data.source.num_features=2", "data.batch_size=2"),
    *("model=rnn", "model.hidden_size=2", "logger=none", "trainer.max_epochs=1"),
    "trainer.accelerator=cpu",
)
BATCHES = 5  # of an epoch; the last one has one sequence
SWINGS = ("data=files", "data.id=swing", "data.time=minute", "data.label=kind", "recipe=own")
SMALL = ("model.hidden_size=2", "trainer.max_steps=2", "logger=none", "data.baselines=false")


def error_of(*words: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the error of a command that is refused before training."""
    assert run(["train", *words]) == 2
    return capsys.readouterr().err


def test_bf16_cpu(train_in: Any) -> None:
    try:
        done = train_in(*TINY, "model=lstm", "trainer.precision=bf16-mixed", "test=false")
    except ConfigError as error:  # a CPU without bf16
        assert "use trainer.precision=32-true" in str(error)  # noqa: PT017 - either is right
    else:
        assert done.record["state"] == "done"


def test_bf16_true_cpu_gru(train_in: Any) -> None:
    done = train_in(*TINY, "model=gru", "trainer.precision=bf16-true")
    assert done.record["state"] == "done"


def test_dropout_one_layer(train_in: Any) -> None:
    with pytest.raises(ConfigError, match=r"dropout=0\.5 acts between layers, but num_layers=1"):
        train_in(*TINY, "model.dropout=0.5")


def test_fast_dev_run(capsys: pytest.CaptureFixture[str]) -> None:
    error = error_of("trainer.fast_dev_run=true", capsys=capsys)
    assert "use debug=fast" in error


def test_imbalance(train_in: Any) -> None:
    path = CASES / "imbalance" / "a.csv"
    done = train_in(*SWINGS, f"data.path={path}", *SMALL, "loss.class_weights=balanced")
    assert done.record["state"] == "done"


def test_tiny_classes(capsys: pytest.CaptureFixture[str]) -> None:
    path = CASES / "tiny_classes" / "a.csv"
    assert run(["train", *SWINGS, f"data.path={path}", *SMALL]) == 3
    assert "data.test_fold=all data.num_folds=3" in capsys.readouterr().err


@pytest.mark.parametrize("model", ["lstm", "tcn", "cnn", "lmu", "s4d"])
def test_last_batch_one(model: str, train_in: Any) -> None:
    layer = ["model.hidden_size=2"] if model != "s4d" else ["model.hidden_size=4"]
    done = train_in(*TINY, f"model={model}", *layer, "test=false", "data.baselines=false")
    assert done.record["num_steps"] == BATCHES


def test_limit_test_batches_0(train_in: Any) -> None:
    done = train_in(*TINY, "trainer.limit_test_batches=0")
    assert [name for name in done.record["scores"] if name.startswith("test/")] == []


@pytest.mark.parametrize("steps", [3, BATCHES + 2])
def test_max_steps(steps: int, train_in: Any) -> None:
    done = train_in(*TINY, f"trainer.max_steps={steps}", "trainer.max_epochs=-1")
    assert (done.record["num_steps"], "test/accuracy" in done.record["scores"]) == (steps, True)


def test_plus_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean 'model.recipe.lr' or 'optimizer.lr'" in error_of("lr=1", capsys=capsys)
    assert "no such setting" in error_of("+lr=1", capsys=capsys)


@pytest.mark.parametrize("word", ["+model.hiden_size=256", "+data.batchsize=8", "+max_epochs=1"])
def test_plus_trainer_typo(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such setting" in error_of(*TINY, word, capsys=capsys)


def test_val_check_interval_100(train_in: Any) -> None:
    with pytest.raises(ConfigError, match=rf"val_check_interval=100: .*fewer batches \({BATCHES}"):
        train_in(*TINY, "trainer.val_check_interval=100")


def test_val_interval_beyond_epoch(train_in: Any) -> None:
    across = ("trainer.check_val_every_n_epoch=null", f"trainer.val_check_interval={BATCHES + 2}")
    done = train_in(*TINY, *across, "trainer.max_epochs=3")
    assert done.record["best"]["step"] in (BATCHES + 2, 2 * (BATCHES + 2))

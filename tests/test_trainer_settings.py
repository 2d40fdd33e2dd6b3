"""Settings of Lightning's Trainer: each is a run, or is refused with exit code 2."""

import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from lightning import Trainer
from omegaconf import OmegaConf

from conftest import compose
from unrolled.config.checks import check_config
from unrolled.errors import ConfigError
from unrolled.runs.run_folder import RunFolder
from unrolled.training import experiment

TINY = (
    "data=random",
    "data.source.num_train=8",
    "data.source.num_val=4",
    "data.source.num_test=4",
    "data.source.num_steps=3",
    "data.source.num_features=2",
    "data.batch_size=2",
    "model=rnn",
    "model.hidden_size=2",
    "logger=none",
    "trainer.max_epochs=2",
    "trainer.accelerator=cpu",
)
# By argument of Trainer: a value that works, if there is one, and values that are refused.
# An epoch has four batches.
NONE = "no value works"
VALUES: dict[str, tuple[Any, list[Any]]] = {
    "accelerator": ("auto", ["abc"]),
    "strategy": ("auto", ["abc"]),
    "devices": ("auto", [99, 0]),
    "num_nodes": (1, [0]),
    "precision": ("64-true", ["abc"]),
    "logger": (NONE, [True]),
    "callbacks": (NONE, ["abc"]),
    "fast_dev_run": (NONE, [True]),
    "max_epochs": (1, [0]),
    "min_epochs": (1, ["abc"]),
    "max_steps": (3, [0]),  # less than an epoch
    "min_steps": (1, ["abc"]),
    "max_time": ("00:00:10:00", ["00:00:00:00"]),
    "limit_train_batches": (2, [0]),
    "limit_val_batches": (0, ["abc"]),
    "limit_test_batches": (0, [0.1]),
    "limit_predict_batches": (NONE, [1]),
    "overfit_batches": (NONE, [1]),
    "val_check_interval": (2, [100, 0]),
    "check_val_every_n_epoch": (5, [0]),  # 5: never in this run
    "num_sanity_val_steps": (1, ["abc"]),
    "log_every_n_steps": (0, [-1]),
    "enable_checkpointing": (NONE, [False]),
    "enable_progress_bar": (False, ["abc"]),
    "enable_model_summary": (True, ["abc"]),
    "accumulate_grad_batches": (3, [0]),
    "gradient_clip_val": (0.5, [-1]),
    "gradient_clip_algorithm": ("value", ["abc"]),
    "deterministic": (True, ["maybe"]),
    "benchmark": (True, ["abc"]),
    "inference_mode": (False, [3]),
    "use_distributed_sampler": (False, ["abc"]),
    "profiler": (None, ["abc"]),
    "detect_anomaly": (True, ["abc"]),
    "barebones": (NONE, [True]),
    "plugins": (NONE, ["abc"]),
    "sync_batchnorm": (NONE, [True]),
    "reload_dataloaders_every_n_epochs": (NONE, [1]),
    "default_root_dir": (NONE, ["abc"]),
    "enable_autolog_hparams": (NONE, [False]),
    "model_registry": (NONE, ["abc"]),
}
ALONE = {"max_epochs", "max_steps", "limit_test_batches", "val_check_interval"}  # one run each
ALONE |= {"check_val_every_n_epoch", "deterministic", "limit_val_batches"}


def test_every_argument_of_the_trainer_is_tried() -> None:
    assert set(VALUES) == set(inspect.signature(Trainer).parameters)


@pytest.mark.parametrize("alone", [None, *sorted(ALONE)])
def test_a_setting_of_the_trainer_works(alone: str | None, train_in: Any) -> None:
    keys = VALUES.keys() - ALONE if alone is None else [alone]
    words = {key: json.dumps(VALUES[key][0]) for key in keys if VALUES[key][0] != NONE}

    done = train_in(*TINY, *(f"trainer.{key}={word}" for key, word in words.items()))

    assert done.record["state"] == "done"
    assert done.folder.best_checkpoint.is_file()
    assert ("test/accuracy" in done.record["scores"]) == (alone != "limit_test_batches")
    if alone == "max_steps":
        assert done.record["num_steps"] == 3


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, (_, wrong) in VALUES.items() for value in wrong]
)
@pytest.mark.acceptance("A21")
def test_a_wrong_setting_of_the_trainer_is_refused(key: str, value: Any, tmp_path: Path) -> None:
    config = compose(*TINY)
    OmegaConf.update(config, f"trainer.{key}", value, force_add=True)

    with pytest.raises(ConfigError, match=f"{key}"):  # noqa: PT012 - most are refused at once
        check_config(config)
        experiment.train(config, RunFolder(tmp_path / "run"), overrides=[])


@pytest.mark.parametrize(
    ("precision", "model", "refusal"),
    [
        ("16-mixed", "rnn", None),
        ("bf16-mixed", "rnn", "trainer.precision: "),  # or a run; it depends on the processor
        ("bf16-true", "rnn", "trainer.precision: "),
        ("bf16-true", "mingru", "trainer.precision: "),  # has a norm in single precision
        ("transformer-engine", "rnn", "transformer_engine"),  # or a run, if it is installed
    ],
)
@pytest.mark.filterwarnings("ignore:.*AMP with fp16 is not supported on CPU")
@pytest.mark.acceptance("A21")
def test_a_precision_is_a_run_or_is_refused(
    precision: str, model: str, refusal: str | None, tmp_path: Path
) -> None:
    words = (f"model={model}", f"trainer.precision={precision}", "trainer.max_epochs=1")
    try:
        done = experiment.train(compose(*TINY, *words), RunFolder(tmp_path / "run"), overrides=[])
    except ConfigError as error:
        assert refusal is not None
        assert refusal in str(error)  # noqa: PT017 - a run is right, too
    else:
        assert "test/loss" in done.scores
        assert model != "mingru"


@pytest.mark.parametrize("optimizer", ["adamw", "rmsprop"])
@pytest.mark.acceptance("A21")
def test_numbers_of_16_bits_are_refused_where_they_become_nan(optimizer: str) -> None:
    words = [f"optimizer={optimizer}", "trainer.precision=16-true"]
    with pytest.raises(ConfigError, match=r"trainer\.precision=16-true: .*16-mixed, bf16-mixed"):
        check_config(compose(*TINY, *words))
    for remedy in ("optimizer=sgd", "+optimizer.eps=1e-4"):
        check_config(compose(*TINY, *words, remedy))


@pytest.mark.parametrize("unit", ["epochs", "steps"])
@pytest.mark.acceptance("A21")
def test_a_run_cannot_be_shorter_than_its_minimum(unit: str) -> None:
    config = compose(*TINY, f"trainer.min_{unit}=3", f"trainer.max_{unit}=2")
    with pytest.raises(ConfigError, match=rf"trainer\.min_{unit}=3 trainer\.max_{unit}=2"):
        check_config(config)


def test_a_setting_of_the_batches_that_does_not_fit_is_not_taken_for_another(
    tmp_path: Path,
) -> None:
    config = compose(*TINY, "data.curriculum_epochs=3")  # all sequences have the same length
    with pytest.raises(ConfigError, match=r"data\.curriculum_epochs=3: .* all have 3 steps"):
        experiment.train(config, RunFolder(tmp_path / "run"), overrides=[])


def test_a_run_that_ends_before_its_first_validation_keeps_its_last_weights(train_in: Any) -> None:
    done = train_in(*TINY, "trainer.check_val_every_n_epoch=null", "trainer.val_check_interval=50")

    assert done.record["best"]["step"] == done.record["num_steps"] == 8
    assert "test/accuracy" in done.record["scores"]

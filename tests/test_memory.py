"""Memory that is full, or would be: exit code 7, with the sizes and what to type instead."""

import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import unrolled
from conftest import compose, encoders
from unrolled import memory
from unrolled.building import network
from unrolled.building.source import build_source
from unrolled.cli import run
from unrolled.commands import inspect
from unrolled.data.sources.random import Random
from unrolled.encoders.blocks.encoder import Sizes
from unrolled.errors import ConfigError, OutOfMemoryError
from unrolled.runs.run_folder import RunFolder
from unrolled.training import experiment, process

TINY = (
    "data=random",
    "data.source.num_train=8",
    "data.source.num_val=5",
    "data.source.num_test=6",
    "data.source.num_steps=3",
    "data.source.num_features=2",
    "data.batch_size=2",
    "model=rnn",
    "model.hidden_size=2",
    "logger=none",
    "trainer=cpu",
    "trainer.max_epochs=1",
)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("data=random", "data.source.num_steps=1000000000"), "use a smaller data.source.num_st"),
        (("data=parity", "data.source.max_steps=1000000000"), "use a smaller data.source.max_st"),
        (("data=random", "data.source.num_train=1000000000000"), "28 steps x 28 features need"),
        (("data=parity", "data.source.num_val=1000000000000"), "use a smaller data.source.num_val"),
        (("data=mnist1d", "data.source.num=1000000000000"), "use a smaller data.source.num"),
    ],
)
@pytest.mark.acceptance("A19")
def test_a_source_that_is_too_large_is_refused_before_it_is_drawn(
    words: tuple[str, ...], message: str
) -> None:
    with pytest.raises(OutOfMemoryError, match=r"out of memory: .*1,000,000,0") as refusal:
        build_source(compose(*words)).load()
    assert message in str(refusal.value)
    assert refusal.value.exit_code == 7


@pytest.mark.parametrize("size", [10**7, 2**62])
@pytest.mark.acceptance("A19")
def test_a_network_that_is_too_large_is_refused_before_it_is_built(size: int) -> None:
    config = compose(*TINY)
    config.model.hidden_size = size
    with pytest.raises(OutOfMemoryError, match=r"weights of the network.*use a smaller model\.h"):
        network.build_network(config, num_features=2, num_steps=3, num_classes=2)


@pytest.mark.parametrize("model", encoders())
def test_counting_the_weights_of_a_network_changes_no_random_number(model: str) -> None:
    config = compose(f"model={model}")
    before = torch.random.get_rng_state()
    network._num_parameters(config, Sizes(input_size=3, num_steps=8), (), 2)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.acceptance("A19")
def test_a_batch_whose_hidden_states_are_too_large_is_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 500_000)
    config = compose(*TINY)
    config.data.source.num_train = config.data.batch_size = 1000
    config.data.source.num_steps = 28
    config.model.hidden_size = 8

    with pytest.raises(OutOfMemoryError) as refusal:
        experiment.train(config, RunFolder(tmp_path / "run"), overrides=[])

    assert str(refusal.value) == (
        "out of memory: the hidden states of a training batch of 1000 sequences x 28 steps x 8 "
        "units need at least 875.0 KiB, and 488.3 KiB are available; use data.batch_size=500"
    )


@pytest.mark.parametrize(
    ("training", "batch", "remedy"),
    [
        (True, "a training batch of 2 sequences x 3 steps x 2 features", "data.batch_size=1"),
        (False, "a validation batch of 5 sequences x 3", "data.eval_batch_size=2"),
    ],
)
@pytest.mark.acceptance("A19")
def test_a_batch_that_does_not_fit_is_named(
    training: bool, batch: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = network.Network.forward

    def too_large(self: network.Network, x: Any, lengths: Any) -> Any:
        if self.training == training:
            torch.empty(2**50)
        return forward(self, x, lengths)

    monkeypatch.setattr(network.Network, "forward", too_large)
    folder = RunFolder(tmp_path / "run")

    with pytest.raises(OutOfMemoryError, match=rf"{batch}.*tried to allocate 4\.0 PiB") as refusal:
        experiment.train(compose(*TINY), folder, overrides=[])

    assert str(refusal.value).endswith(f"; use {remedy}")
    result = folder.result()
    assert result is not None
    assert result.exit_code == 7


@pytest.mark.acceptance("A19")
def test_data_that_does_not_fit_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Random, "load", lambda self: np.empty(2**50))
    with pytest.raises(OutOfMemoryError, match=r"the data \(Unable to allocate 8\.00 PiB"):
        experiment.train(compose(*TINY), RunFolder(tmp_path / "run"), overrides=[])


@pytest.mark.parametrize("text", ["CUDA out of memory. Tried 2 GiB", "can't allocate memory"])
def test_any_other_lack_of_memory_has_the_same_exit_code(text: str) -> None:
    with pytest.raises(OutOfMemoryError, match=text), process.readable_errors():
        raise RuntimeError(text)


@pytest.mark.acceptance("A19")
def test_a_batch_of_a_prediction_that_does_not_fit_is_named(
    tiny_run: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = unrolled.load(tiny_run.folder.path)
    monkeypatch.setattr(network.Network, "forward", lambda *_: torch.empty(2**50))
    with pytest.raises(OutOfMemoryError, match=r"a batch of 3 sequences of up to 8 .* 4\.0 PiB"):
        predictor.predict(np.zeros((3, 8, 8)))


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOMEM, "no memory"), MemoryError(), ImportError("x.so: failed to map segment")],
)
@pytest.mark.acceptance("A19")
def test_each_command_exits_with_7(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(arguments: list[str]) -> None:
        raise error

    monkeypatch.setattr(inspect, "run", full)
    assert run(["inspect", "path=x.csv"]) == 7
    assert "error: out of memory: `unrolled inspect` " in capsys.readouterr().err


def test_the_limit_of_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meminfo = tmp_path / "meminfo"
    monkeypatch.setattr(memory, "MEMINFO", meminfo)
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    assert memory.available_bytes() is None
    meminfo.write_text("MemFree: 1 kB\nMemAvailable:   100 kB\n")
    assert memory.available_bytes() == 102_400
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("5000\n")
    assert memory.available_bytes() == 102_400
    (tmp_path / "memory.max").write_text("50000\n")
    assert memory.available_bytes() == 45_000


def test_other_errors_stay_as_they_are() -> None:
    with pytest.raises(ConfigError), memory.memory_for("the data", remedy="none"):
        raise ConfigError("out of range")
    with pytest.raises(RuntimeError, match="other"), memory.memory_for("the data", remedy="none"):
        raise RuntimeError("other")

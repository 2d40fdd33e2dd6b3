"""Runs on two devices: the same scores, one run folder, one log."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from conftest import compose
from unrolled import processes
from unrolled.config.checks import check_config
from unrolled.errors import ConfigError

# In the last batch of 27 sequences, one process has two and the other one. There is no dropout.
SETTINGS = (
    "data=random",
    "data.source.num_train=27",
    "data.source.num_val=5",
    "data.source.num_test=7",
    "data.source.num_steps=4",
    "data.source.num_features=2",
    "data.source.num_classes=3",
    "model=gru",
    "model.hidden_size=4",
    "head.dropout=0",
    "scheduler=none",
    "trainer.accelerator=cpu",
    "trainer.max_epochs=3",
)
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")


def command(*words: str, by: tuple[str, ...] = (sys.executable,), cwd: Path) -> str:
    done = subprocess.run(
        [*by, "-m", "unrolled", *words],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("by", [(sys.executable,), TORCHRUN], ids=["unrolled", "torchrun"])
def test_two_processes_reach_the_scores_of_one(
    by: tuple[str, ...], tmp_path: Path, train_in: Callable[..., SimpleNamespace]
) -> None:
    alone = train_in(*SETTINGS, "data.batch_size=6")

    two = "data.batch_size=3", "trainer.devices=2", "hydra.run.dir=run"
    output = command("train", *SETTINGS, *two, by=by, cwd=tmp_path)

    record = json.loads((tmp_path / "run/result.json").read_text())
    assert record["scores"] == pytest.approx(alone.record["scores"], rel=1e-6, abs=1e-6)
    assert record["confusion"] == alone.record["confusion"]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert output.count("Epoch [3/3]") == 1
    assert (tmp_path / "run/train.log").read_text().count("Epoch [3/3]") == 1
    assert (
        len((tmp_path / "run/metrics.csv").read_text().splitlines()) == 1 + 3 + 1
    )  # header, epochs, test


@pytest.mark.rare
def test_a_run_on_two_devices_is_resumed_on_two_devices(
    tmp_path: Path, train_in: Callable[..., SimpleNamespace]
) -> None:
    alone = train_in(*SETTINGS, "data.batch_size=6", "trainer.max_epochs=5")
    two = "data.batch_size=3", "trainer.devices=2", "hydra.run.dir=run"
    command("train", *SETTINGS, *two, cwd=tmp_path)

    command("resume", "run=run", "trainer.max_epochs=5", cwd=tmp_path)

    record = json.loads((tmp_path / "run/result.json").read_text())
    assert record["num_epochs"] == 5
    assert record["scores"] == pytest.approx(alone.record["scores"], rel=1e-6, abs=1e-6)


def test_a_recipe_with_a_budget_of_steps_needs_one_device() -> None:
    config = compose("data=files", "data.path=x.csv", "trainer.devices=2")
    with pytest.raises(ConfigError, match=r"trainer\.devices=2: recipe=small"):
        check_config(config)


def test_a_recipe_with_a_budget_of_steps_takes_one_device_by_number() -> None:
    check_config(compose("data=files", "data.path=x.csv", "trainer.devices=[0]"))


def test_a_recipe_with_a_budget_of_steps_is_refused_if_auto_finds_several_gpus(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    trainer = compose("data=files", "data.path=x.csv", "trainer.devices=auto").trainer
    message = r"trainer\.devices=auto: this machine has 2 GPUs"
    with pytest.raises(ConfigError, match=message), processes.with_helpers([], trainer):
        pass


def test_several_tasks_of_slurm_need_srun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_NTASKS", "2")
    trainer = compose().trainer
    message = r"SLURM_NTASKS=2: .* without srun; type srun before it"
    with pytest.raises(ConfigError, match=message), processes.with_helpers([], trainer):
        pass
    monkeypatch.setenv("SLURM_STEP_ID", "0")
    with processes.with_helpers([], trainer):
        pass


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"SLURM_PROCID": "1"}, False),  # as in a shell of a job, without srun
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "2", "SLURM_STEP_ID": "0"}, True),
        ({"LOCAL_RANK": "1", "RANK": "1"}, True),
        ({"LOCAL_RANK": "0", "RANK": "0"}, False),
    ],
)
def test_a_further_process_is_recognized(
    variables: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert processes.is_helper() == expected

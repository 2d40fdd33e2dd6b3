"""Folders of runs that were made before a setting existed keep loading."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from conftest import compose
from unrolled.cli import run
from unrolled.config_values import resolve
from unrolled.earlier_configs import GAINED, completed
from unrolled.resuming import refuse_changes

EXAMPLES = {
    "unrolled.data.module.SequenceDataModule": ("data", ()),
    "unrolled.encoders.rnn.RNN": ("model", ("model=rnn",)),
    "unrolled.encoders.lstm.LSTM": ("model", ("model=lstm",)),
    "unrolled.encoders.gru.GRU": ("model", ("model=gru",)),
    "unrolled.encoders.indrnn.IndRNN": ("model", ("model=indrnn",)),
    "unrolled.encoders.lmu.LMU": ("model", ("model=lmu", "model.memory_size=1")),
    "unrolled.encoders.lmu_fft.LMUFFT": ("model", ("model=lmu_fft", "model.memory_size=1")),
    "unrolled.heads.all_steps.AllSteps": ("head", ("head=all_steps",)),
}


def earlier(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config without the settings that were gained."""
    return {
        group: {key: v for key, v in node.items() if key not in GAINED.get(node["_target_"], {})}
        if isinstance(node, dict) and "_target_" in node
        else node
        for group, node in config.items()
    }


@pytest.mark.parametrize("target", GAINED)
def test_what_was_gained_comes_back_as_it_then_was(target: str) -> None:
    group, overrides = EXAMPLES[target]
    config = resolve(compose(*overrides))
    assert config[group]["_target_"] == target
    before = earlier(config)
    assert before != config, "the setting is in no config any more"

    refuse_changes(completed(before), config)  # an earlier run can be continued


def test_an_earlier_run_on_files_is_read_as_it_was() -> None:
    config = resolve(compose("data=files", "data.path=a.csv"))
    before = json.loads(json.dumps(config))
    del before["data"]["resample"], before["data"]["split_column"]

    assert completed(before) == config


def test_an_earlier_folder_evaluates_to_the_same_scores(
    tiny_run: SimpleNamespace, tmp_path: Path
) -> None:
    shutil.copytree(tiny_run.folder.path, tmp_path / "run")
    file = tmp_path / "run" / "config.yaml"
    file.write_text(yaml.safe_dump(earlier(yaml.safe_load(file.read_text()))))
    assert "window" not in file.read_text()

    assert run(["evaluate", f"run={tmp_path / 'run'}"]) == 0

    evaluation = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    scores = tiny_run.record["scores"]
    assert evaluation["scores"] == {name: scores[name] for name in evaluation["scores"]}

"""What a process reads once is read again if it has changed, and is not shared between runs."""

import importlib.metadata
import os
from functools import partial
from pathlib import Path

import omegaconf.base
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from lightning import Trainer
from omegaconf import OmegaConf
from omegaconf.errors import ConfigAttributeError

from unrolled import lightning_internals  # noqa: F401 - lets Trainers share what they read
from unrolled.config import caches, compound
from unrolled.config.caches import CachedFiles
from unrolled.errors import CheckpointError
from unrolled.runs import migrations
from unrolled.runs.run_folder import RunFolder


def source(folder: Path) -> CachedFiles:
    return CachedFiles("main", f"cached://{folder}")


def test_a_config_file_is_read_again_after_an_edit(tmp_path: Path) -> None:
    file = tmp_path / "option.yaml"
    file.write_text("size: 1")
    assert source(tmp_path).load_config("option").config == {"size": 1}
    file.write_text("size: 2")
    os.utime(file, ns=(0, 0))  # another time than before, however coarse the clock

    assert source(tmp_path).load_config("option").config == {"size": 2}


def test_a_change_of_a_config_does_not_reach_the_next_one(tmp_path: Path) -> None:
    (tmp_path / "option.yaml").write_text("size: 1")
    source(tmp_path).load_config("option").config.size = 3

    assert source(tmp_path).load_config("option").config == {"size": 1}


def test_an_interpolation_is_parsed_once_and_resolved_anew() -> None:
    caches.register()
    config = OmegaConf.create({"a": 1, "b": "${a}"})
    assert config.b == 1
    num_parsed = omegaconf.base.parse.cache_info().misses
    config.a = 2

    assert config.b == 2
    assert omegaconf.base.parse.cache_info().misses == num_parsed


def test_only_the_first_trainer_reads_the_metadata_of_all_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    build = partial(Trainer, accelerator="cpu", logger=False, default_root_dir=tmp_path)
    build()
    path = importlib.metadata.PathDistribution
    monkeypatch.setattr(path, "read_text", lambda _, name: read.append(name))

    build()

    assert not read


def test_an_override_is_parsed_once_and_each_config_gets_its_own() -> None:
    caches.register()
    parse = OverridesParser.create().parse_overrides
    (first,) = parse(["data.features=[a,b]"])
    first.key_or_group = "changed"
    num_parsed = caches._parsed_rule.cache_info().misses

    (second,) = parse(["data.features=[a,b]"])

    assert (second.key_or_group, second.value()) == ("data.features", ["a", "b"])
    assert caches._parsed_rule.cache_info().misses == num_parsed


def test_an_option_can_still_refer_to_the_choice_of_another_group(tmp_path: Path) -> None:
    caches.register()
    for name in ("a/one", "a/two", "b/one", "b/two"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.yaml").write_text(f"name: {name}")
    (tmp_path / "main.yaml").write_text("defaults: [a: one, b: '${a}', _self_]")
    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(tmp_path), version_base="1.3"):
            config = compose("main", ["a=two"])
    finally:
        GlobalHydra.instance().hydra = before

    assert (config.a.name, config.b.name) == ("a/two", "b/two")


def test_the_config_of_a_run_is_read_again_after_an_edit_and_is_not_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "CONFIG", [])  # adds settings that earlier versions lacked
    (tmp_path / "config.yaml").write_text("size: 1")
    RunFolder(tmp_path).config().size = 3
    assert RunFolder(tmp_path).config() == {"size": 1}
    (tmp_path / "config.yaml").write_text("size: 2")
    assert RunFolder(tmp_path).config() == {"size": 2}
    with pytest.raises(ConfigAttributeError):
        RunFolder(tmp_path).config().other = 1
    (tmp_path / "config.yaml").write_text("[1, 2]")
    with pytest.raises(CheckpointError, match="damaged"):
        RunFolder(tmp_path).config()


def test_the_models_of_an_ensemble_are_composed_once_for_all_folds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    composed: list[list[str]] = []
    original = compound.compose_config
    monkeypatch.setattr(
        compound, "compose_config", lambda words: composed.append(words) or original(words)
    )
    compound._composed_at.cache_clear()
    overrides = ["ensemble=[gru,rnn]", "model.hidden_size=4"]
    config = original(overrides)

    for _ in range(3):
        parts = compound.part_configs(config, overrides=overrides)

    assert [part.model.hidden_size for part in parts.values()] == [4, 4]
    assert len(composed) == 4  # each model without and with the settings

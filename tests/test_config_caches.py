"""What a process reads once is read again if it has changed, and is not shared between runs."""

import importlib.metadata
import os
from functools import partial
from pathlib import Path

import omegaconf.base
import pytest
from lightning import Trainer
from omegaconf import OmegaConf

from unrolled import lightning_internals  # noqa: F401 - lets Trainers share what they read
from unrolled.config import caches
from unrolled.config.caches import CachedFiles


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

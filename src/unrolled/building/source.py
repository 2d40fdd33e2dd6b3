"""Builds the source that a config describes; its files are found before Lightning is imported."""

import json
from dataclasses import fields
from typing import Any

from omegaconf import DictConfig, OmegaConf

from unrolled.building.instantiation import make_plain
from unrolled.contracts import Source
from unrolled.data.batches import Batching
from unrolled.data.channels import ChannelSettings
from unrolled.data.parts import Division
from unrolled.data.preparation import Preparation

_NOT_SOURCES = (Batching, ChannelSettings, Division, Preparation)
NOT_FOR_SOURCE = {field.name for kind in _NOT_SOURCES for field in fields(kind)}
NOT_FOR_SOURCE |= {"source", "recipe", "refit", "baselines"}


def build_source(config: DictConfig) -> Source:
    """Return the source that config.data.source describes.

    Raises:
        ConfigError: its class lacks one of the keys, or refuses a value.
    """
    settings: Any = OmegaConf.to_container(config.data, resolve=True)
    others = {name: value for name, value in settings.items() if name not in NOT_FOR_SOURCE}
    node = {**settings["source"], **others}
    source: Source = make_plain(node, "data", kind="data.source")
    return source


def source_description(config: DictConfig) -> str:
    """Return the settings on which the sequences of the source depend, before they are divided."""
    settings: Any = OmegaConf.to_container(config.data, resolve=True)
    others = {name: value for name, value in settings.items() if name not in NOT_FOR_SOURCE}
    known = {**others, "source": settings["source"], "window": settings["window"]["label"]}
    return json.dumps(known, sort_keys=True)


def prepare_source(config: DictConfig) -> None:
    """Let the source find or download its files.

    Raises:
        DataError: the files are missing and cannot be downloaded.
    """
    build_source(config).prepare()

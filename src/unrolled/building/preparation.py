"""Builds the preparation that a config describes; prediction needs it too, without Lightning."""

from collections.abc import Collection
from dataclasses import fields
from typing import Any

from omegaconf import DictConfig

from unrolled.data.channels import ChannelSettings
from unrolled.data.parts import Division
from unrolled.data.preparation import Preparation
from unrolled.data.windows import Windows


def build_preparation(config: DictConfig) -> Preparation:
    """Return the preparation of the sequences; its settings are keys of config.data.

    Raises:
        ConfigError: a value is out of its range.
    """
    parts: dict[str, Any] = {
        "window": Windows(**config.data.window),
        "channels": ChannelSettings(**_settings(config, ChannelSettings)),
        "division": Division(**_settings(config, Division)),
    }
    return Preparation(**parts, **_settings(config, Preparation, without=parts))


def _settings(config: DictConfig, kind: type, *, without: Collection[str] = ()) -> dict[str, Any]:
    """Return the settings of config.data that are fields of a dataclass."""
    names = {field.name for field in fields(kind)} - set(without)
    return {name: config.data[name] for name in names}

"""Builds the preparation that a config describes; prediction needs it too, without Lightning."""

from dataclasses import fields

from omegaconf import DictConfig

from unrolled.data.channels import ChannelSettings
from unrolled.data.preparation import Preparation
from unrolled.data.windows import Windows


def build_preparation(config: DictConfig) -> Preparation:
    """Return the preparation of the sequences; its settings are keys of config.data.

    Raises:
        ConfigError: a value is out of its range.
    """
    names = {field.name for field in fields(Preparation)} - {"window", "channels"}
    channels = {field.name: config.data[field.name] for field in fields(ChannelSettings)}
    return Preparation(
        window=Windows(**config.data.window),
        channels=ChannelSettings(**channels),
        **{name: config.data[name] for name in names},
    )

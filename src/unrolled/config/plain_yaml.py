"""Reads YAML files that may be damaged or come from somebody else."""

from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from unrolled.errors import ConfigError

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
LARGEST = 2**20  # bytes of a file with options
MOST = 100_000  # values; a few lines of aliases can stand for billions
DEEPEST = 50  # values within each other; configs have less than ten


def parse_plain(text: str) -> Any:
    """Return the values in YAML text, as plain values.

    Raises:
        ValueError: it is not YAML, or has too many values. The message is one line.
    """
    try:
        _require_shallow(text)
        values = yaml.load(text, Loader=LOADER)  # noqa: S506 - a safe loader
        _count(values, depth=0, before=0)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(reason[:300]) from error
    return values


def read_options(path: Path) -> tuple[str, DictConfig | ListConfig]:
    """Return the text of a file with options, and its config.

    Raises:
        ConfigError: the file cannot be read, is too large, or is not YAML.
    """
    try:
        if (size := path.stat().st_size) > LARGEST:
            raise ConfigError(f"{path} cannot be read: it has {size:,} bytes")
        text = path.read_text(encoding="utf-8")
        parse_plain(text)
        config = OmegaConf.create(text)
    except (OmegaConfBaseException, yaml.YAMLError, ValueError, OSError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    return text, config


def _require_shallow(text: str) -> None:
    """Refuse values within many others, with which the loader in C would end the process.

    Raises:
        ValueError: there are some.
    """
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError(f"it has more than {DEEPEST} values within each other")


def _count(value: Any, *, depth: int, before: int) -> int:
    """Return the number of values up to and with this one. An alias counts as what it stands for.

    before: number of values before this one.

    Raises:
        ValueError: there are too many, or an alias stands for something that holds it.
    """
    num = before + 1
    if depth > 2 * DEEPEST or num > MOST:
        raise ValueError(f"it has more than {MOST:,} values, with what its aliases stand for")
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            num = _count(item, depth=depth + 1, before=num)
    return num

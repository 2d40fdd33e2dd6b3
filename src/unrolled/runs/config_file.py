"""Reads the config.yaml of a run folder, which a compound run or a table reads many times."""

import pickle
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from unrolled.config.values import resolve
from unrolled.errors import CheckpointError
from unrolled.runs.migrations import migrate_config
from unrolled.runs.text_file import parse_yaml, read_text

# The start of a top-level key and its values, in a file as RunFolder.write_config writes it.
SECTION = re.compile(r"^(?=[A-Za-z_]\w*:(?:\s|$))", re.MULTILINE)


def read_config(path: Path) -> DictConfig | None:
    """Return the config in a file, or None if there is no such file.

    Raises:
        CheckpointError: the file is damaged.
    """
    text = read_text(path)
    if text is None:
        return None
    config = pickle.loads(_pickled(text, path))  # noqa: S301 - made below
    assert isinstance(config, DictConfig)
    return config


def read_plain_config(path: Path) -> dict[str, Any] | None:
    """Return `resolve` of the config in a file, or None if there is no such file.

    A table of many runs reads their configs in this way. Creating a DictConfig takes ten times as
    long as parsing the file, and most sections are the same as in another run, so that each is
    parsed once.

    Raises:
        CheckpointError: the file is damaged.
    """
    text = read_text(path)
    if text is None:
        return None
    if "${" in text or "\\" in text:  # a reference, or an escape sequence that may hide one
        return resolve(_created(text, path))
    try:
        parsed = [pickle.loads(_section(part)) for part in SECTION.split(text)]  # noqa: S301
        values = {key: value for section in parsed for key, value in section.items()}
    except CheckpointError:  # it has another form, or is damaged
        values = parse_yaml(text, path)
    return migrate_config(values)


@lru_cache(maxsize=10_000)
def _section(text: str) -> bytes:
    """Return a pickle of the values in a part of a YAML file; no section changes another.

    Raises:
        CheckpointError: it is not a key with its values.
    """
    return pickle.dumps(parse_yaml(text, Path("config.yaml")) if text.strip() else {})


@lru_cache(maxsize=1000)
def _pickled(text: str, path: Path) -> bytes:
    """Return a pickle, which is loaded several times faster than the text is parsed."""
    config = _created(text, path)
    OmegaConf.set_struct(config, True)
    return pickle.dumps(config)


def _created(text: str, path: Path) -> DictConfig:
    # plain YAML, which OmegaConf.load would read four times slower
    return OmegaConf.create(migrate_config(parse_yaml(text, path)))

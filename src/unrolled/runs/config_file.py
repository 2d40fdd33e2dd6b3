"""Reads the config.yaml of a run folder, which a compound run or a table reads many times."""

import pickle
from functools import lru_cache
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from unrolled.runs.migrations import migrate_config
from unrolled.runs.text_file import parse_yaml, read_text


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


@lru_cache(maxsize=1000)
def _pickled(text: str, path: Path) -> bytes:
    """Return a pickle, which is loaded several times faster than the text is parsed."""
    # plain YAML, which OmegaConf.load would read four times slower
    config = OmegaConf.create(migrate_config(parse_yaml(text, path)))
    OmegaConf.set_struct(config, True)
    return pickle.dumps(config)

"""Builds the data that a config describes, and shares it between the jobs of a sweep."""

import copy
import json

from omegaconf import DictConfig, OmegaConf

from unrolled.building.instantiation import make
from unrolled.data.module import SequenceDataModule

_shared_data: dict[str, SequenceDataModule] = {}  # by its description


def load_data(config: DictConfig) -> SequenceDataModule:
    """Return the data that the config describes, loaded and split.

    Raises:
        ConfigError: a setting cannot work.
        DataError: the data is not to be had, or cannot be trained on.
    """
    if _shared_data and (shared := _shared_data.get(_description(config))) is not None:
        shared = copy.copy(shared)  # no trainer has it yet; nobody writes to its tensors
        shared.seed = config.seed
        return shared
    data: SequenceDataModule = make(config, "data", seed=config.seed)
    data.prepare_data()
    data.setup()
    return data


def share_data(config: DictConfig) -> None:
    """Load the data now; `load_data` gives it to every config with the same data from then on.

    For the process that forks the jobs of a sweep: only one data set is kept.

    Raises:
        ConfigError, DataError: see `load_data`.
    """
    data = load_data(config)
    _shared_data.clear()
    _shared_data[_description(config)] = data


def _description(config: DictConfig) -> str:
    """Return what the data is a function of; its seed orders batches and changes no sequence."""
    return json.dumps(OmegaConf.to_container(config.data, resolve=True), sort_keys=True)

"""Builds the data that a config describes, and shares it between the jobs of a sweep."""

import copy
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, TypeVar

from omegaconf import DictConfig, OmegaConf

from unrolled.baselines.comparison import Score, compare
from unrolled.building.preparation import build_preparation
from unrolled.building.source import build_source, source_description
from unrolled.contracts import SourceData
from unrolled.data.batches import Batching
from unrolled.data.prepared import PreparedData

if TYPE_CHECKING:
    from unrolled.data.module import SequenceDataModule

log = logging.getLogger(__name__)

Data = TypeVar("Data", bound=PreparedData)

_shared_data: dict[str, "SequenceDataModule"] = {}  # by its description
_shared_sources: dict[str, SourceData] = {}
_baselines: dict[str, dict[str, Score]] = {}  # by fingerprint and description


def load_data(config: DictConfig) -> "SequenceDataModule":
    """Return the data that the config describes, loaded and split.

    Raises:
        ConfigError: a setting cannot work.
        DataError: the data is not to be had, or cannot be trained on.
    """
    if (shared := _shared(config)) is not None:
        shared = copy.copy(shared)  # no trainer has it yet; nobody writes to its tensors
        shared.seed = config.seed
        return shared
    return _set_up(build_data(config), config)


def load_prepared(config: DictConfig) -> PreparedData:
    """Return the data as `load_data` does, but without batches, which need Lightning.

    Raises:
        ConfigError, DataError: see `load_data`.
    """
    if (shared := _shared(config)) is not None:
        return shared
    data = PreparedData(source=build_source(config), preparation=build_preparation(config))
    return _set_up(data, config)


def _shared(config: DictConfig) -> "SequenceDataModule | None":
    return _shared_data.get(_description(config)) if _shared_data else None


def _set_up(data: Data, config: DictConfig) -> Data:
    data.loaded = _shared_sources.get(source_description(config)) if _shared_sources else None
    data.prepare_data()
    data.setup()
    return data


def build_data(config: DictConfig) -> "SequenceDataModule":
    """Return the data module that the config describes; nothing is loaded yet.

    The keys of config.data that `Preparation` and `Batching` lack are arguments of the source.

    Raises:
        ConfigError: a setting cannot work.
    """
    from unrolled.data.module import SequenceDataModule  # loads Lightning

    return SequenceDataModule(
        source=build_source(config),
        preparation=build_preparation(config),
        batching=Batching(**{field.name: config.data[field.name] for field in fields(Batching)}),
        seed=config.seed,
    )


def fit_baselines(config: DictConfig, data: PreparedData) -> dict[str, Score]:
    """Return the test accuracy of 1-NN and MiniRocket by name, if config.data.baselines is true.

    They are fitted once per process and data. There are none if the data has no test set or is too
    large, has words as codes, or if the class changes within recordings; the reason is logged.

    data: after `setup`. The baselines read prepared sequences or windows, without the channels that
        are added for the network.
    """
    if not config.data.baselines or data.parts.test is None:
        return {}
    if data.num_words:
        log.info("1-NN and MiniRocket skipped: they read numbers, not words (data.embedding)")
        return {}
    if data.preparation.window.size is not None and not data.averages_windows:
        log.info("1-NN and MiniRocket skipped: the class changes within recordings")
        return {}
    key = data.fingerprint + _description(config)
    if key not in _baselines:
        parts = data.parts_without_channels()
        assert parts.test is not None
        _baselines[key] = compare(parts.train, test=parts.test, num_classes=data.num_classes)
    return _baselines[key]


def share_data(config: DictConfig) -> "SequenceDataModule":
    """Load the data now, and return it; `load_data` gives it to every config with the same data.

    Baselines on the test set are fitted too, so that the jobs do not repeat it.

    For the process that forks the jobs of a sweep, and for runs of several trainings. Only one
    data set is kept.

    Raises:
        ConfigError, DataError: see `load_data`.
    """
    data = load_data(config)
    _shared_data.clear()
    _shared_data[_description(config)] = data
    if config.test:
        fit_baselines(config, data)
    return data


def share_source(config: DictConfig) -> "SequenceDataModule":
    """Load the source now; `load_data` divides it for every config with the same source.

    For the folds of a cross-validation, which divide the same sequences differently, and for the
    members of an ensemble that read different channels.

    Return the data module, which has the source's data as `loaded` and is not set up.

    Raises:
        ConfigError, DataError: see `load_data`.
    """
    description = source_description(config)
    data = build_data(config)
    if description not in _shared_sources:
        data.prepare_data()
        _shared_sources[description] = data.load_source()
    data.loaded = _shared_sources[description]
    return data


@contextmanager
def data_shared() -> Iterator[None]:
    """Forget at the end of this context what `share_data` and `share_source` load in it."""
    data, sources = dict(_shared_data), dict(_shared_sources)
    try:
        yield
    finally:
        _shared_data.clear()
        _shared_data.update(data)
        _shared_sources.clear()
        _shared_sources.update(sources)


def _description(config: DictConfig) -> str:
    """Return what the data is a function of; its seed orders batches and changes no sequence."""
    return json.dumps(OmegaConf.to_container(config.data, resolve=True), sort_keys=True)

"""Loads modules and data that all jobs share, in the process that forks them.

A fork copies no memory until one of the two writes to it, and jobs only read these.
"""

import gc
import importlib
import logging
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from unrolled.config.checks import check_config
from unrolled.runs.provenance import remember_code

log = logging.getLogger(__name__)


def load_modules() -> None:
    """Import what every job needs, and remember the source code."""
    for name in ("unrolled.training.experiment", "unrolled.reports.terminal", "sklearn.datasets"):
        importlib.import_module(name)
    import torch

    torch.set_num_threads(1)  # a pool of threads does not survive a fork
    remember_code()


def share(config: DictConfig) -> None:
    """Import what the config of a job names, and load its data.

    Jobs with the same config.data use this data, and the others load their own. An error is
    ignored here, because the job meets it again and records it.
    """
    from unrolled.building.data import share_data

    with open_dict(config):
        config.pop("hydra", None)
    try:
        check_config(config)  # a class that may not be named must not be imported either
        for target in _targets(OmegaConf.to_container(config)):
            importlib.import_module(target.rpartition(".")[0])
        share_data(config)
    except Exception as error:  # noqa: BLE001 - the job meets it again, and records it
        log.debug("not shared: %s", error)
    gc.collect()
    gc.freeze()  # pages that nobody writes to stay shared


def _targets(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("_target_"), str):
            yield node["_target_"]
        for child in node.values():
            yield from _targets(child)

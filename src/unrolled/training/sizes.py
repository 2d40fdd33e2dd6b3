"""Logs the sizes of data and network before training."""

import logging

from omegaconf import DictConfig

from unrolled.building.network import Network
from unrolled.config.values import class_name, data_name
from unrolled.data.module import SequenceDataModule
from unrolled.data.prepared import sizes_text
from unrolled.stems.none import NoStem

log = logging.getLogger(__name__)


def log_sizes(config: DictConfig, data: SequenceDataModule, network: Network) -> int:
    """Log the sizes of data and network, and return the number of parameters.

    data: after `setup`.
    """
    lengths = data.parts.train.lengths
    shortest, longest = int(lengths.min()), int(lengths.max())
    log.info(
        "data:  %s; %s %s; %s steps of %d %s; %d classes",
        data_name(config),
        sizes_text(data.parts.sizes()),
        data.noun,
        longest if shortest == longest else f"{shortest} to {longest}",
        data.num_features,
        "channels" if data.has_channels else "features",
        data.num_classes,
    )
    parts = (
        ("WordVectors", network.words),
        (class_name(config.stem), network.stem),
        (class_name(config.model), network.encoder),
        (class_name(config.head), network.head),
    )
    counts = [
        (name, sum(p.numel() for p in part.parameters()))
        for name, part in parts
        if part is not None and not isinstance(part, NoStem)
    ]
    num_parameters = sum(count for _, count in counts)
    terms = " + ".join(f"{name} {count:,}" for name, count in counts)
    log.info("model: %s = %s parameters", terms, f"{num_parameters:,}")
    return num_parameters

"""Builds the network that a config describes as a plain torch module; no Lightning is needed."""

import logging
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from unrolled.building.instantiation import make
from unrolled.encoders.blocks.encoder import Encoder, Sizes
from unrolled.errors import ConfigError
from unrolled.heads.head import Head

log = logging.getLogger(__name__)

UNITS = {"k": 1_000, "M": 1_000_000}


class Network(nn.Module):
    """An encoder and a head: logits = head(encoder(x)).

    encoder: returns a hidden state per step.
    head: returns logits from the hidden states.
    """

    def __init__(self, *, encoder: Encoder, head: Head) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b c"]:
        """Return the logits of prepared sequences."""
        logits: Tensor = self.head(self.encoder(x, lengths), lengths)
        return logits


def build_network(
    config: DictConfig, *, num_features: int, num_steps: int, num_classes: int
) -> Network:
    """Return the network with fresh weights.

    num_features: features per step (d).
    num_steps: steps of the longest sequence, for encoders whose weights or windows depend on it.
    num_classes: classes (c).

    Raises:
        ConfigError: a setting cannot work, or no network is as small as model.parameter_budget.
    """
    sizes = Sizes(input_size=num_features, num_steps=num_steps)
    if config.model.get("parameter_budget") is not None:
        config = _within_budget(config, sizes, num_classes)
    return _network(config, sizes, num_classes)


def load_weights(network: Network, state_dict: dict[str, Tensor]) -> None:
    """Copy the weights of a checkpoint's state dict into the network."""
    prefix = "network."
    network.load_state_dict({name.removeprefix(prefix): t for name, t in state_dict.items()})


def _network(config: DictConfig, sizes: Sizes, num_classes: int) -> Network:
    encoder: Encoder = make(config, "model", sizes=sizes)
    head: Head = make(
        config,
        "head",
        input_size=encoder.output_size,
        backward_size=encoder.backward_size,
        num_classes=num_classes,
    )
    return Network(encoder=encoder, head=head)


def _within_budget(config: DictConfig, sizes: Sizes, num_classes: int) -> DictConfig:
    """Return the config with the largest model.hidden_size that model.parameter_budget allows."""
    config = config.copy()
    budget = parse_budget(config.model.parameter_budget)

    def count(hidden_size: int) -> int:
        config.model.hidden_size = hidden_size
        with torch.device("meta"):  # shapes only: no memory, and no random number is drawn
            network = _network(config, sizes, num_classes)
        return sum(parameter.numel() for parameter in network.parameters())

    heads = OmegaConf.select(config.model.get("layer", config.model), "num_heads", default=1)
    config.model.hidden_size = largest_size(count, budget=budget, multiple_of=heads)
    log.info("model.parameter_budget=%s: hidden_size=%s", budget, config.model.hidden_size)
    return config


def parse_budget(budget: int | str) -> int:
    """Return 70000 for 70000, "70k" or "0.07M"."""
    if isinstance(budget, int):
        return budget
    return round(float(budget[:-1]) * UNITS[budget[-1]])


def largest_size(count: Callable[[int], int], *, budget: int, multiple_of: int) -> int:
    """Return the largest hidden size whose number of parameters is within the budget.

    count: hidden size -> parameters; grows with it.
    multiple_of: sizes that are possible are its multiples, >= 1.

    Raises:
        ConfigError: the smallest possible network is larger than the budget.
    """
    smallest = count(multiple_of)
    if smallest > budget:
        raise ConfigError(
            f"model.parameter_budget={budget}: the smallest such network, "
            f"model.hidden_size={multiple_of}, has {smallest} parameters"
        )
    low, high = 1, 2  # in multiples: low fits, high is not known to
    while count(high * multiple_of) <= budget:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if count(middle * multiple_of) <= budget:
            low = middle
        else:
            high = middle
    return low * multiple_of

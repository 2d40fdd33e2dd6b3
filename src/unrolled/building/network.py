"""Builds the network that a config describes as a plain torch module, without Lightning."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from unrolled.baselines.minirocket import MiniRocket
from unrolled.building.instantiation import make
from unrolled.building.word_vectors import WordVectors
from unrolled.config.values import is_fitted
from unrolled.encoders.blocks.encoder import Encoder, Sizes, decay_groups
from unrolled.errors import ConfigError
from unrolled.heads.head import Head
from unrolled.stems.stem import Stem

log = logging.getLogger(__name__)

UNITS = {"k": 1_000, "M": 1_000_000}


class Network(nn.Module):
    """A stem, an encoder and a head: logits = head(encoder(stem(words(x)))).

    words: replaces codes of words by their vectors, or None if all features are numbers.
    stem: returns shorter sequences, and optionally a summary of each for the head.
    encoder: returns a hidden state per step.
    head: returns logits from the hidden states.
    """

    def __init__(
        self, *, words: WordVectors | None, stem: Stem, encoder: Encoder, head: Head
    ) -> None:
        super().__init__()
        self.words = words
        self.stem = stem
        self.encoder = encoder
        self.head = head

    def forward(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b c"]:
        """Return the logits of prepared sequences."""
        return self.classify(self.embed(x), lengths)

    def embed(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d2"]:
        """Return prepared sequences with the vectors of their words in place of the codes."""
        if self.words is None:
            return x
        embedded: Tensor = self.words(x)
        return embedded

    def classify(
        self, x: Float[Tensor, "b t d2"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b c"]:
        """Return the logits of sequences that `embed` has returned."""
        x, lengths, summary = self.stem(x, lengths)
        logits: Tensor = self.head(self.encoder(x, lengths), lengths, summary)
        return logits

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return every parameter exactly once; see `Encoder.parameter_groups`."""
        return [
            *self.encoder.parameter_groups(),
            *decay_groups(list(self.head.parameters())),
            *self.stem.parameter_groups(),
            *([] if self.words is None else self.words.parameter_groups()),
        ]


Model = Network | MiniRocket  # returns logits from prepared sequences and their lengths


def build_network(
    config: DictConfig,
    *,
    num_features: int,
    num_steps: int,
    num_classes: int,
    num_words: Sequence[int] = (),
) -> Network:
    """Return the network with fresh weights.

    num_features: features per step (d), the codes of words included.
    num_words: known words of each of the last features that are codes; see `SourceData`.
    num_steps: steps of the longest sequence, for encoders whose weights or windows depend on it.
    num_classes: classes (c).

    Raises:
        ConfigError: a setting is invalid, or even the smallest network exceeds
            model.parameter_budget.
    """
    sizes = Sizes(input_size=num_features, num_steps=num_steps)
    if config.model.get("parameter_budget") is not None:
        config = _within_budget(config, sizes, num_words, num_classes)
    return _network(config, sizes, num_words, num_classes)


def build_model(
    config: DictConfig,
    *,
    num_features: int,
    num_steps: int,
    num_classes: int,
    num_words: Sequence[int] = (),
) -> Model:
    """Return a network with fresh weights, or a model that is fitted without a training loop.

    Both return logits from prepared sequences and their lengths. For arguments and exceptions see
    `build_network`.
    """
    if is_fitted(config):
        model: MiniRocket = make(config, "model", seed=config.seed)
        return model
    return build_network(
        config,
        num_features=num_features,
        num_words=num_words,
        num_steps=num_steps,
        num_classes=num_classes,
    )


def trained_model(
    config: DictConfig, preprocessing: dict[str, Any], state_dict: dict[str, Tensor]
) -> Model:
    """Return the model of a run with the weights of a checkpoint, on the CPU.

    preprocessing: content of the run's preprocessing.json.
    """
    model = build_model(
        config,
        num_features=preprocessing["num_features"],
        num_words=preprocessing.get("num_words", []),
        num_steps=preprocessing["num_steps"],
        num_classes=len(preprocessing["class_names"]),
    )
    load_weights(model, state_dict)
    return model


def load_weights(network: nn.Module, state_dict: dict[str, Tensor]) -> None:
    """Copy the weights of a checkpoint's state dict into the network."""
    prefix = "network."
    network.load_state_dict({name.removeprefix(prefix): t for name, t in state_dict.items()})


def _network(
    config: DictConfig, sizes: Sizes, num_words: Sequence[int], num_classes: int
) -> Network:
    words = None
    if num_words:
        words = WordVectors(num_words=num_words, size=config.data.embedding)
        added = len(num_words) * (words.size - 1)  # a vector replaces a code
        sizes = replace(sizes, input_size=sizes.input_size + added)
    stem: Stem = make(config, "stem", sizes=sizes)
    encoder: Encoder = make(config, "model", sizes=stem.output)
    head: Head = make(
        config,
        "head",
        input_size=encoder.output_size,
        backward_size=encoder.backward_size,
        summary_size=stem.summary_size,
        num_classes=num_classes,
    )
    return Network(words=words, stem=stem, encoder=encoder, head=head)


def _within_budget(
    config: DictConfig, sizes: Sizes, num_words: Sequence[int], num_classes: int
) -> DictConfig:
    """Return the config with the largest model.hidden_size that model.parameter_budget allows."""
    config = config.copy()
    budget = parse_budget(config.model.parameter_budget)

    def count(hidden_size: int) -> int:
        config.model.hidden_size = hidden_size
        with torch.device("meta"):  # shapes only: uses no memory and draws no random number
            network = _network(config, sizes, num_words, num_classes)
        return sum(parameter.numel() for parameter in network.parameters())

    heads = OmegaConf.select(config.model.get("layer", config.model), "num_heads", default=1)
    config.model.hidden_size = largest_size(count, budget=budget, multiple_of=heads)
    log.info("model.parameter_budget=%s: hidden_size=%s", budget, config.model.hidden_size)
    return config


def parse_budget(budget: int | str) -> int:
    """Return the budget as a number: 70000 for 70000, "70k" or "0.07M"."""
    if isinstance(budget, int):
        return budget
    return round(float(budget[:-1]) * UNITS[budget[-1]])


def largest_size(count: Callable[[int], int], *, budget: int, multiple_of: int) -> int:
    """Return the largest hidden size whose number of parameters is within the budget.

    count: hidden size -> number of parameters, which grows with the hidden size.
    multiple_of: only its multiples are possible sizes, >= 1.

    Raises:
        ConfigError: the smallest possible network is larger than the budget.
    """
    smallest = count(multiple_of)
    if smallest > budget:
        raise ConfigError(
            f"model.parameter_budget={budget}: even model.hidden_size={multiple_of} needs "
            f"{smallest} parameters; use model.parameter_budget={smallest} or more"
        )
    low, high = 1, 2  # in multiples: low fits, high may not
    while count(high * multiple_of) <= budget:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if count(middle * multiple_of) <= budget:
            low = middle
        else:
            high = middle
    return low * multiple_of

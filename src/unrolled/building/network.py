"""Builds the network that a config describes as a plain torch module, without Lightning."""

import inspect
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from unrolled.baselines.minirocket import MiniRocket
from unrolled.building.instantiation import get_class, make
from unrolled.building.word_vectors import WordVectors
from unrolled.checking.at_building import check_encoder
from unrolled.config.classes import is_built_in
from unrolled.config.values import is_fitted
from unrolled.encoders.blocks.adapter import Adapter
from unrolled.encoders.blocks.encoder import Encoder, Sizes, decay_groups
from unrolled.errors import ConfigError, ContractError
from unrolled.heads.head import Head
from unrolled.memory import memory_for, require_memory
from unrolled.stems.stem import Stem

log = logging.getLogger(__name__)

PREFIX = "network."  # of a weight's name in a checkpoint
VALUES_PER_WEIGHT = 4  # the weight, its gradient and two moments of Adam
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
    network = unchecked_network(
        config,
        num_features=num_features,
        num_steps=num_steps,
        num_classes=num_classes,
        num_words=num_words,
    )
    if not is_built_in(config.model):
        try:
            check_encoder(network.encoder, sizes=network.stem.output)
        except ContractError as error:
            raise ConfigError(
                f"{config.model._target_}: {error}; `unrolled check` checks more"
            ) from error
    return network


def unchecked_network(
    config: DictConfig,
    *,
    num_features: int,
    num_steps: int,
    num_classes: int,
    num_words: Sequence[int] = (),
) -> Network:
    """Return the network as `build_network` does, without a check of a class of your own."""
    sizes = Sizes(input_size=num_features, num_steps=num_steps)
    if config.model.get("parameter_budget") is not None:
        config = _within_budget(config, sizes, num_words, num_classes)
    smaller = "use a smaller model.hidden_size, or model.parameter_budget=1M"
    with memory_for("the weights of the network", remedy=smaller):
        num_parameters = _num_parameters(config, sizes, num_words, num_classes)
        require_memory(
            VALUES_PER_WEIGHT * 4 * num_parameters,
            what=f"the {num_parameters:,} weights of the network, their gradients and the state "
            "of the optimizer",
            remedy=smaller,
        )
        return _network(config, sizes, num_words, num_classes)


class _WithoutValues(TorchFunctionMode):
    """Leaves out the initial values of tensors on `meta`, which have none.

    To draw normal numbers for them, torch imports its compiler, which takes as long as torch does.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function of torch, or return the tensor that it would fill."""
        kwargs = kwargs or {}
        if func in (Tensor.normal_, nn.init.normal_):
            tensor = args[0] if args else kwargs["tensor"]
            if tensor.is_meta:
                return tensor
        return func(*args, **kwargs)


def _num_parameters(
    config: DictConfig, sizes: Sizes, num_words: Sequence[int], num_classes: int
) -> int:
    """Return the number of parameters of a network that is not built."""
    # meta: shapes only, which uses no memory. A module of your own may need values.
    device = "meta" if is_built_in(config.model) else "cpu"
    with torch.device(device), torch.random.fork_rng(devices=[]), _WithoutValues():
        network = _network(config, sizes, num_words, num_classes)
    return sum(parameter.numel() for parameter in network.parameters())


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
    model = untrained_model(config, preprocessing)
    load_weights(model, state_dict)
    return model


def untrained_model(config: DictConfig, preprocessing: dict[str, Any]) -> Model:
    """Return the model of a run with new weights from torch's generator, on the CPU.

    preprocessing: content of the run's preprocessing.json.
    """
    return build_model(
        config,
        num_features=preprocessing["num_features"],
        num_words=preprocessing.get("num_words", []),
        num_steps=preprocessing["num_steps"],
        num_classes=len(preprocessing["class_names"]),
    )


def load_weights(network: nn.Module, state_dict: dict[str, Tensor]) -> None:
    """Copy the weights of a checkpoint's state dict into the network."""
    network.load_state_dict({name.removeprefix(PREFIX): t for name, t in state_dict.items()})


def _network(
    config: DictConfig, sizes: Sizes, num_words: Sequence[int], num_classes: int
) -> Network:
    words = None
    if num_words:
        words = WordVectors(num_words=num_words, size=config.data.embedding)
        added = len(num_words) * (words.size - 1)  # a vector replaces a code
        sizes = replace(sizes, input_size=sizes.input_size + added)
    stem: Stem = make(config, "stem", sizes=sizes)
    encoder = _encoder(config, stem.output)
    head: Head = make(
        config,
        "head",
        input_size=encoder.output_size,
        backward_size=encoder.backward_size,
        summary_size=stem.summary_size,
        num_classes=num_classes,
    )
    return Network(words=words, stem=stem, encoder=encoder, head=head)


def _encoder(config: DictConfig, sizes: Sizes) -> Encoder:
    """Return the encoder, or an adapter around another module."""
    if "_target_" not in config.model or issubclass(model_class(config), Encoder):
        encoder: Encoder = make(config, "model", sizes=sizes)
        return encoder
    given = given_arguments(config)
    module: nn.Module = make(config, "model", **{name: getattr(sizes, name) for name in given})
    try:
        return Adapter(module, sizes=sizes)
    except ValueError as error:
        raise ConfigError(f"model: {error}") from error


def model_class(config: DictConfig) -> type:
    """Return the class that the config names as its model.

    Raises:
        ConfigError: the config cannot name this class, or there is none.
    """
    return get_class(config.model._target_, kind="model")


def given_arguments(config: DictConfig) -> set[str]:
    """Return the names of the arguments of the model's constructor that come from the data.

    Raises:
        ConfigError: the constructor has no parameter for the number of features.
    """
    found = model_class(config)
    if issubclass(found, Encoder):
        return {"sizes"}
    parameters = inspect.signature(found).parameters
    takes_any = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    if "input_size" not in parameters and not takes_any:
        raise ConfigError(
            f"model._target_={config.model._target_}: the constructor needs a parameter "
            "input_size, which gets the number of features per step"
        )
    return {"input_size", *({"num_steps"} & parameters.keys())}


def _within_budget(
    config: DictConfig, sizes: Sizes, num_words: Sequence[int], num_classes: int
) -> DictConfig:
    """Return the config with the largest model.hidden_size that model.parameter_budget allows."""
    config = config.copy()
    budget = parse_budget(config.model.parameter_budget)

    if "hidden_size" not in config.model:
        raise ConfigError(
            f"model.parameter_budget={config.model.parameter_budget}: the model has no setting "
            "hidden_size to choose; use model.parameter_budget=null"
        )

    def count(hidden_size: int) -> int:
        config.model.hidden_size = hidden_size
        return _num_parameters(config, sizes, num_words, num_classes)

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

"""A training step (forward and backward) or inference of a model, next to torch.nn.

The network has the model's own settings apart from its units, with a linear layer on the last step.
`rnn`, `lstm` and `gru` are measured with each `model.kernel`, and have the same weights as the
module of torch next to them. Other models are compared with torch.nn.GRU of as many units.
"""

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from time import perf_counter

import torch
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.nn import functional

from unrolled.bench.bare import Bare, bare_network, require_equal
from unrolled.bench.pairs import Case, row
from unrolled.bench.settings import Settings, Shape
from unrolled.building.network import Network, build_network
from unrolled.config.checks import check_config
from unrolled.config.composition import compose_config, without_hydra
from unrolled.config.values import class_name, is_fitted
from unrolled.encoders.blocks.stacked import Stacked
from unrolled.errors import ConfigError

NUM_CLASSES = 10
GATES = {nn.RNN: 1, nn.LSTM: 4, nn.GRU: 3}


def steps(settings: Settings, folder: Path) -> Iterator[Case]:
    """Yield a case per shape, model and kernel: a forward and backward pass."""
    for shape in settings.step_shapes():
        yield from _cases("steps", shape, settings, str(shape), size=None)


def inference(settings: Settings, folder: Path) -> Iterator[Case]:
    """Yield a case per shape, model and kernel: a forward pass without gradients."""
    for shape in settings.step_shapes():
        yield from _cases("inference", shape, settings, str(shape), size=None)


def length(settings: Settings, folder: Path) -> Iterator[Case]:
    """Yield a case per length, model and kernel: a forward and backward pass."""
    for shape in settings.length_shapes():
        yield from _cases("length", shape, settings, f"{shape.t} steps", size=shape.t)


def threads(settings: Settings, folder: Path) -> Iterator[Case]:
    """Yield the wall-clock time of a training step with several threads, compared with one."""
    for shape in settings.step_shapes():
        x, y, lengths = _batch(shape)
        for model in settings.models:
            for kernel, network in _networks(model, shape):
                name = _name(model, kernel, f"{shape}, {settings.num_threads} threads")
                step = partial(_train, partial(network, x, lengths), network, y)
                yield Case(
                    row("threads", name, "one thread", unit="wall s", num_sequences=shape.b),
                    partial(_with_threads, settings.num_threads, step),
                    partial(_with_threads, 1, step),
                    clock=perf_counter,
                )


def _cases(
    part: str, shape: Shape, settings: Settings, label: str, size: int | None
) -> Iterator[Case]:
    x, y, lengths = _batch(shape)
    for model in settings.models:
        for kernel, network in _networks(model, shape):
            bare, reference = bare_network(network, num_features=shape.d, hidden_size=shape.h)
            if isinstance(network.encoder, Stacked):
                require_equal(network, bare, x)
            unmeasured = row(
                part,
                _name(model, kernel, label),
                reference,
                num_sequences=shape.b,
                flops=_flops(network, shape, backward=part != "inference"),
                size=size,
            )
            yield Case(unmeasured, *_functions(part, network, bare, x, y, lengths))


def _functions(
    part: str, network: Network, bare: Bare, x: Tensor, y: Tensor, lengths: Tensor
) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return what is measured, and the same with the reference."""
    ours, reference = partial(network, x, lengths), partial(bare, x)
    if part == "inference":
        return partial(_infer, ours), partial(_infer, reference)
    return partial(_train, ours, network, y), partial(_train, reference, bare, y)


def _with_threads(num_threads: int, step: Callable[[], None]) -> None:
    torch.set_num_threads(num_threads)
    try:
        step()
    finally:
        torch.set_num_threads(1)


def _train(forward: Callable[[], Tensor], network: nn.Module, y: Tensor) -> None:
    network.zero_grad(set_to_none=True)
    torch.autograd.backward(functional.cross_entropy(forward(), y))


@torch.inference_mode()
def _infer(forward: Callable[[], Tensor]) -> None:
    forward()


def _batch(shape: Shape) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    x = torch.randn(shape.b, shape.t, shape.d)
    y = torch.randint(NUM_CLASSES, (shape.b,))
    return x, y, torch.full((shape.b,), shape.t)


def _networks(model: str, shape: Shape) -> Iterator[tuple[str | None, Network]]:
    """Yield the network of a model with each kernel, or with None if it has no compiled loop.

    Raises:
        ConfigError: there is no such model, or it is not a network.
    """
    config = _config(model).copy()
    if "hidden_size" in config.model:
        config.model.hidden_size = shape.h
    if "kernel" in config.model:
        config.model.kernel = "torch"
    network = _network(config, shape)
    if not network.encoder.has_compiled_loop:
        yield None, network
        return
    yield "torch", network
    config.model.kernel = "native"
    yield "native", _network(config, shape)


@cache
def _config(model: str) -> DictConfig:
    return without_hydra(compose_config([f"model={model}", "head=last_step"]))


def _network(config: DictConfig, shape: Shape) -> Network:
    check_config(config)
    if is_fitted(config):
        raise ConfigError(f"models: {class_name(config.model)} has no training steps")
    torch.manual_seed(0)
    return build_network(
        config, num_features=shape.d, num_steps=shape.t, num_classes=NUM_CLASSES
    ).train()


def _name(model: str, kernel: str | None, label: str) -> str:
    return f"{model} {label}" if kernel is None else f"{model} {kernel} {label}"


def _flops(network: Network, shape: Shape, *, backward: bool) -> float | None:
    """Return the operations of the matrix products of rnn, lstm and gru, None for other models.

    Forward, h units read d features and h units. Backward needs as many for the weights, and for
    the states before. The input needs no gradient.
    """
    encoder = network.encoder
    if not isinstance(encoder, Stacked) or encoder.backward_size or len(encoder.layers) > 1:
        return None
    gates = next(n for module, n in GATES.items() if isinstance(encoder.left_to_right[0], module))
    widths = 3 * shape.h + 2 * shape.d if backward else shape.h + shape.d
    return 2.0 * shape.b * shape.t * gates * shape.h * widths

"""A network that reads step by step has the logits that it has for each prefix."""

from functools import cache

import pytest
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from conftest import compose, encoders, options, with_option
from unrolled.building.network import Network, build_network
from unrolled.streaming.networks import NetworkSteps

D, C, STEPS = 3, 4, 11


def small(model: str, head: str = "mean_max", *changes: str) -> DictConfig:
    config = with_option("model", model).copy()
    config.head = with_option("head", head).head
    if "hidden_size" in config.model:
        config.model.hidden_size = 8
    return OmegaConf.merge(config, OmegaConf.from_dotlist(list(changes)))


def in_double(config: DictConfig) -> Network:
    """Return the network with weights that are all different from zero."""
    torch.manual_seed(0)
    network = build_network(config, num_features=D, num_steps=STEPS, num_classes=C).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        for name, buffer in network.named_buffers():
            if "running" in name:
                buffer.copy_(torch.rand_like(buffer) + 0.5)
    return network


def assert_steps_equal_prefixes(network: Network) -> None:
    x = torch.randn(2, STEPS, D, dtype=torch.float64)
    steps = NetworkSteps(network)
    with torch.no_grad():
        state = steps.start(x[:, 0])
        for num, x_t in enumerate(x.unbind(1), start=1):
            logits, state = steps(x_t, state)
            expected = network(x[:, :num], torch.full((2,), num))
            torch.testing.assert_close(logits, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("model", encoders())
def test_the_logits_of_an_encoder_are_those_of_each_prefix(model: str) -> None:
    assert_steps_equal_prefixes(in_double(small(model)))


@pytest.mark.parametrize("head", options("head"))
def test_the_logits_of_a_head_are_those_of_each_prefix(head: str) -> None:
    assert_steps_equal_prefixes(in_double(small("lem", head)))


@cache
def with_a_stem(stride: int, pool: int, model: str) -> Network:
    changes = (f"stem.stride={stride}", f"stem.pool={pool}", "stem.causal=true", "stem.channels=5")
    config = small(model)
    config.stem = compose("stem=conv").stem
    return in_double(OmegaConf.merge(config, OmegaConf.from_dotlist(list(changes))))


@pytest.mark.parametrize(
    ("stride", "pool", "model"),
    [(1, 1, "gru"), (1, 4, "gru"), (2, 3, "gru"), (5, 2, "gru"), (2, 2, "transformer")],
)
def test_the_logits_after_a_causal_stem_are_those_of_each_prefix(
    stride: int, pool: int, model: str
) -> None:
    """Most prefixes end within a stride or a mean."""
    assert_steps_equal_prefixes(with_a_stem(stride, pool, model))


def test_two_layers_and_a_trained_initial_state_are_read_step_by_step() -> None:
    changes = "model.num_layers=2", "model.learn_initial_state=true"
    assert_steps_equal_prefixes(in_double(small("lstm", "last_step", *changes)))


def test_a_stem_reads_streams_that_are_at_different_steps() -> None:
    steps = NetworkSteps(with_a_stem(2, 3, "gru"))
    x: Tensor = torch.randn(2, STEPS, D, dtype=torch.float64)
    with torch.no_grad():
        early = steps.start(x[:1, 0])
        for x_t in x[:1, :5].unbind(1):
            _, early = steps(x_t, early)
        both = joined(early, steps.start(x[:1, 0]))
        for num in range(5):
            logits, both = steps(torch.cat([x[:1, 5 + num], x[1:, num]]), both)
        for row, length in ((0, 10), (1, 5)):
            expected = steps.network(x[row : row + 1, :length], torch.tensor([length]))
            torch.testing.assert_close(logits[row : row + 1], expected, rtol=1e-9, atol=1e-12)


def joined(first: object, second: object) -> object:
    """Return the state of the streams of two states."""
    if first is None:
        return None
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return torch.cat([first, second])
    assert isinstance(first, tuple)
    assert isinstance(second, tuple)
    return tuple(joined(a, b) for a, b in zip(first, second, strict=True))

"""The module that is exported, before it is exported: it computes what the run computes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import unrolled
from conftest import encoders, ragged, with_option
from unrolled.building.network import build_network
from unrolled.export.graph import Graph
from unrolled.export.loops import with_loops
from unrolled.export.step_graph import StepGraph

LENGTHS = torch.tensor([1, 9, 4])

RUNS = {
    "the_recipe_for_own_data": ("data.missing=mean", "stem.stride=2", "stem.pool=3"),
    "the_first_steps": ("recipe=own", "data.missing=forward", "data.max_length=9"),
    "the_last_steps": (
        "recipe=own",
        "data.missing=mean",
        "data.max_length=9",
        "data.truncate=head",
    ),
    "windows": ("data.window.size=6", "data.window.stride=4", "stem=none", "data.missing=forward"),
}


@pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS)
def test_the_graph_has_the_probabilities_of_predict(
    settings: tuple[str, ...], train_ragged: Callable[..., Path]
) -> None:
    predictor = unrolled.load(train_ragged(*settings))
    some = ragged(7, seed=5)
    lengths = torch.tensor([len(x) for x in some])
    x = torch.full((len(some), int(lengths.max()), 2), 1e6, dtype=torch.float64)
    for row, sequence in zip(x, some, strict=True):
        row[: len(sequence)] = torch.from_numpy(sequence)
    run = predictor.run

    graph = Graph(run.ensemble, preparation=run.preparation, fitted_inputs=run.fitted_inputs)
    with torch.no_grad():
        found = graph(x, lengths)

    expected = predictor.predict(some).probabilities
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)
    assert expected.std(axis=0).min() > 1e-3


@pytest.mark.parametrize("model", [*encoders(), "bidirectional"])
def test_a_network_with_loops_has_the_same_logits(model: str) -> None:
    config = with_option("model", "gru" if model == "bidirectional" else model)
    config.head = with_option("head", "mean_max").head
    if "hidden_size" in config.model:
        config.model.hidden_size = 8
    if model == "bidirectional":
        config.model.bidirectional = True
        config.model.num_layers = 2
        config.model.learn_initial_state = True
    network = build_network(config, num_features=3, num_steps=9, num_classes=4).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        x = torch.randn(len(LENGTHS), 9, 3, dtype=torch.float64)

        found = with_loops(network)(x, LENGTHS)

        torch.testing.assert_close(found, network(x, LENGTHS), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("head", "grows"), [("mean_max", False), ("all_steps", True)])
def test_a_state_that_grows_is_recognized(
    head: str, grows: bool, train_ragged: Callable[..., Path]
) -> None:
    run = unrolled.load(train_ragged("recipe=own", "data.missing=mean", f"head={head}")).run
    graph = Graph(run.ensemble, preparation=run.preparation, fitted_inputs=run.fitted_inputs)

    assert StepGraph(run.steps(), graph).state_grows == grows

"""Nearest neighbour, and when baselines are fitted on a run's data."""

import logging

import pytest
import torch

from conftest import compose
from unrolled.baselines import comparison
from unrolled.baselines.comparison import compare
from unrolled.baselines.nearest_neighbour import nearest_neighbour
from unrolled.building import data as building
from unrolled.building.data import fit_baselines, load_data
from unrolled.contracts import Sequences
from unrolled.reports.terminal import advice
from unrolled.runs.result import Result

RANDOM = ("data=random", "data.source.num_train=8", "data.source.num_test=4")


def test_the_nearest_sequence_is_found_with_zeros_after_the_shorter_one() -> None:
    train_x = torch.tensor([[[1.0], [3.0], [2.0]], [[1.0], [9.0], [9.0]]])  # 9 is padding
    predicted = nearest_neighbour(
        train_x,
        train_lengths=torch.tensor([3, 1]),
        train_y=torch.tensor([5, 7]),
        x=torch.tensor([[[1.0], [1.0], [0.5], [0.0]], [[1.0], [2.0], [2.0], [4.0]]]),
        lengths=torch.tensor([4, 3]),
    )
    assert predicted.tolist() == [7, 5]


def test_chunks_of_test_sequences_give_the_same_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = torch.randn(20, 5, 2, generator=torch.Generator().manual_seed(0)), torch.arange(20)
    arguments = {
        "train_lengths": torch.full((20,), 5),
        "train_y": y,
        "x": x,
        "lengths": torch.full((20,), 5),
    }
    monkeypatch.setattr("unrolled.baselines.nearest_neighbour.MAX_DISTANCES", 60)
    assert torch.equal(nearest_neighbour(x, **arguments), y)


def test_a_training_set_over_the_limit_is_skipped(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    part = Sequences.of_equal_length(torch.zeros(2, 6, 1), torch.tensor([0, 1]), first_id=0)
    monkeypatch.setattr(comparison, "MAX_VALUES", 11)
    with caplog.at_level(logging.INFO):
        assert compare(part, test=part, num_classes=2) == {}
    assert "skipped: the training set has 12 values, more than 11" in caplog.text


def test_one_training_sequence_has_a_nearest_neighbour_only() -> None:
    part = Sequences.of_equal_length(torch.zeros(1, 6, 1), torch.tensor([1]), first_id=0)
    scores = compare(part, test=part, num_classes=2)
    assert {name: score.accuracy for name, score in scores.items()} == {"1-NN": 1.0}


def test_baselines_are_fitted_once_per_data_and_only_if_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []
    monkeypatch.setattr(building, "compare", lambda *_, **__: calls.append(1) or {})
    monkeypatch.setattr(building, "_baselines", {})
    off, on = compose(*RANDOM), compose(*RANDOM, "data.baselines=true")
    assert fit_baselines(off, load_data(off)) == {}
    assert calls == []
    for seed in (1, 2):
        on.seed = seed
        fit_baselines(on, load_data(on))
    assert calls == [1]


def test_advice_names_the_best_baseline_that_beats_the_network() -> None:
    result = Result(
        scores={"test/accuracy": 0.8},
        baselines={"majority class": 0.99, "1-NN": 0.82, "MiniRocket": 0.831},
        baseline_seconds={"1-NN": 0.1, "MiniRocket": 2.0},
    )
    assert advice(result).startswith("MiniRocket is 3.1 points better than this network: try ")
    result.scores["test/accuracy"] = 0.84
    assert advice(result) == ""

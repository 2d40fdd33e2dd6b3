"""Nearest neighbour, and when baselines are fitted on a run's data."""

import logging

import pytest
import torch

from conftest import compose
from unrolled.baselines import comparison
from unrolled.baselines.comparison import Score, compare
from unrolled.baselines.nearest_neighbour import nearest_neighbour
from unrolled.building import data as building
from unrolled.building.data import fit_baselines, load_data
from unrolled.contracts import Sequences
from unrolled.reports.advice import advice, loss_note
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


def result(accuracy: float, pairs: dict[str, list[int]]) -> Result:
    return Result(
        scores={"test/accuracy": accuracy},
        baselines={"majority class": 0.99, "1-NN": 0.82, "MiniRocket": 0.831},
        baseline_pairs=pairs,
    )


def test_advice_names_the_best_baseline_that_beats_the_network() -> None:
    pairs = {"1-NN": [20, 2], "MiniRocket": [30, 5]}
    own = "MiniRocket is 3.1 points better than this network: try recipe=small, or model=minirocket"
    assert advice(result(0.8, pairs), config=compose()) == own
    small = advice(result(0.8, pairs), config=compose("recipe=small"))
    assert small.endswith("try model=minirocket, or ensemble=[gru,gru,gru,minirocket]")
    assert advice(result(0.84, {"MiniRocket": [5, 30]}), config=compose()) == ""


def test_a_difference_that_chance_explains_gives_no_advice() -> None:
    assert advice(result(0.8, {"MiniRocket": [5, 0]}), config=compose()) == ""  # p = 2 / 2^5
    assert advice(result(0.8, {"MiniRocket": [6, 0]}), config=compose()) != ""
    assert advice(result(0.8, {}), config=compose()) == ""


def test_advice_never_recommends_against_the_model_that_is_the_baseline() -> None:
    config = compose("model=minirocket")
    assert advice(result(0.8, {"MiniRocket": [9, 0]}), config=config) == ""
    nearest = advice(result(0.8, {"1-NN": [9, 0], "MiniRocket": [9, 0]}), config=config)
    assert nearest == "1-NN is 2.0 points better than this model"


def test_a_recording_counts_once_for_the_side_that_has_more_of_its_windows_right() -> None:
    score = Score(
        accuracy=0.5,
        seconds=0.0,
        is_right=torch.tensor([True, True, False, False, True, False]),
        ids=torch.tensor([4, 4, 7, 7, 9, 5]),
    )
    ids = torch.tensor([5, 9, 7, 4, 7, 4])
    is_right = torch.tensor([True, True, True, False, True, True])
    assert score.only_right(is_right, ids) == (1, 2)  # 4 is ours; 5 and 7 are theirs; 9 is even


def test_losses_that_cannot_be_compared_are_named() -> None:
    scores = Result(scores={"train/loss": 0.4, "test/loss": 0.1})
    assert loss_note(scores, config=compose()) == ""
    note = loss_note(scores, config=compose("recipe=small"))
    assert note.startswith("the training loss includes mixup and label smoothing, so it cannot")
    assert loss_note(Result(scores={"train/loss": 0.4}), config=compose("recipe=small")) == ""

"""`model.parameter_budget` finds the largest hidden size within a number of parameters."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch

from conftest import compose, options, with_option
from unrolled.building.network import largest_size, parse_budget
from unrolled.classifier.module import SequenceClassifier
from unrolled.config.checks import check_config
from unrolled.errors import ConfigError
from unrolled.training.trainer import build_classifier, load_classifier

BUDGET = 5_000
SIZED = [m for m in options("model") if "parameter_budget" in with_option("model", m).model]


def build(model: str, **changes: int | str) -> SequenceClassifier:
    config = with_option("model", model)
    for key, value in changes.items():
        config.model[key] = value
    return build_classifier(config, num_features=3, num_steps=12, num_classes=4, class_weights=None)


def parameters_of(classifier: SequenceClassifier) -> int:
    return sum(parameter.numel() for parameter in classifier.parameters())


@pytest.mark.parametrize("size", [1, 2, 3, 9, 100])
def test_the_largest_size_within_the_budget_is_found(size: int) -> None:
    assert largest_size(lambda h: h * h + 5, budget=size * size + 5, multiple_of=1) == size
    assert largest_size(lambda h: h * h, budget=(size + 1) ** 2 - 1, multiple_of=1) == size


def test_only_multiples_are_possible() -> None:
    assert largest_size(lambda h: h, budget=23, multiple_of=4) == 20


def test_a_budget_that_is_too_small_is_refused_with_the_smallest_possible_one() -> None:
    with pytest.raises(
        ConfigError, match=r"parameter_budget=3.*hidden_size=4 needs 16.*model\.parameter_budget=16"
    ):
        largest_size(lambda h: h * h, budget=3, multiple_of=4)


@pytest.mark.parametrize(("typed", "number"), [(70_000, 70_000), ("70k", 70_000), ("1.5M", 1.5e6)])
def test_a_budget_may_have_a_unit(typed: int | str, number: float) -> None:
    assert parse_budget(typed) == number


@pytest.mark.parametrize("model", SIZED)
def test_a_model_is_as_large_as_its_budget_allows(model: str) -> None:
    classifier = build(model, parameter_budget="5k")
    assert parameters_of(classifier) <= BUDGET
    node = with_option("model", model).model
    step = int(node.get("layer", node).get("num_heads", 1))
    larger = classifier.network.encoder.output_size + step
    assert parameters_of(build(model, hidden_size=larger)) > BUDGET


def test_a_budget_draws_no_random_number() -> None:
    torch.manual_seed(1)
    budgeted = build("gru", parameter_budget="5k")
    torch.manual_seed(1)
    plain = build("gru", hidden_size=budgeted.network.encoder.output_size)
    for ours, theirs in zip(budgeted.parameters(), plain.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("budget", ["lots", "0", "70 k", "-1"])
def test_a_budget_that_is_not_a_number_is_refused_by_the_config_check(budget: str) -> None:
    with pytest.raises(ConfigError, match=r"parameter_budget.*such as 70k"):
        check_config(compose(f"model.parameter_budget='{budget}'"))


def test_a_run_with_a_budget_can_be_loaded_from_its_folder(
    train_in: Callable[..., SimpleNamespace],
) -> None:
    run = train_in("model=mlp", "model.parameter_budget=5k", "debug=fast")
    loaded = load_classifier(run.folder.config(), run.folder)
    assert parameters_of(loaded) == run.record["num_parameters"]
    assert 4_500 < run.record["num_parameters"] <= 5_000

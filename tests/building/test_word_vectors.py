"""The network looks up a vector for each word."""

import pytest
import torch
from torch import Tensor

from conftest import compose, encoders
from unrolled.building.network import Network, build_network
from unrolled.building.word_vectors import WordVectors
from unrolled.classifier.mixup import mix_up
from unrolled.contracts import Batch

LENGTHS = torch.tensor([4, 2, 3])
CODES = torch.tensor([[1, 2, 1, 3], [2, 2, 0, 0], [1, 0, 3, 0]])  # 4 occurs nowhere
OWN = ("data=files", "data.path=x.csv", "recipe=own", "data.embedding=3")


def some_input(num_numbers: int = 2) -> Tensor:
    numbers = torch.randn(3, 4, num_numbers, generator=torch.Generator().manual_seed(0))
    return torch.cat([numbers, CODES[:, :, None]], dim=2)


def network(*words: str, num_features: int = 3) -> Network:
    torch.manual_seed(0)
    built = build_network(
        compose(*words), num_features=num_features, num_words=[4], num_steps=4, num_classes=2
    )
    return built.eval()


def test_codes_are_replaced_by_rows_of_a_matrix_and_numbers_are_kept() -> None:
    words = WordVectors(num_words=[4, 1], size=3)
    x = torch.cat([some_input(), torch.ones(3, 4, 1)], dim=2)
    found = words(x)
    first, second = words.tables
    assert torch.equal(found[:, :, :2], x[:, :, :2])
    assert torch.equal(found[:, :, 2:5], first.weight[CODES])
    assert torch.equal(found[:, :, 5:], second.weight[1].expand(3, 4, 3))


def test_the_vector_of_unknown_words_starts_as_zeros() -> None:
    assert not WordVectors(num_words=[4], size=3).tables[0].weight[0].any()


@pytest.mark.parametrize("model", ["gru", "tcn"])
def test_only_words_that_occur_get_a_gradient_and_padding_gets_none(model: str) -> None:
    built = network(*OWN, f"model={model}")
    x = some_input()
    x[2, 1, 2] = 1.0  # the code 0 is in the padding only
    built(x, LENGTHS).square().sum().backward()
    assert built.words is not None
    gradient = built.words.tables[0].weight.grad
    assert gradient.any(dim=1).tolist() == [False, True, True, True, False]


@pytest.mark.parametrize("model", encoders())
def test_padding_reaches_no_logit(model: str) -> None:
    budget = [] if model in ("identity", "majority", "summary") else ["model.hidden_size=4"]
    built = network(*OWN, f"model={model}", *budget)
    x = some_input()
    other = x.clone()
    other[1, 2:], other[2, 3:] = 4.0, 4.0  # also a code
    with torch.no_grad():
        logits = built(x, LENGTHS)
        torch.testing.assert_close(built(other, LENGTHS), logits)
        alone = built(x[1:2, :2], LENGTHS[1:2])
    torch.testing.assert_close(alone, logits[1:2], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("num_numbers", [0, 2])
def test_the_recipe_for_small_data_reads_words(num_numbers: int) -> None:
    words = ("data=files", "data.path=x.csv", "data.embedding=3", "stem.channels=4")
    built = network(*words, "model.hidden_size=4", num_features=num_numbers + 1)
    x = some_input(num_numbers)
    other = x.clone()
    other[1, 2:] = 4.0
    with torch.no_grad():
        torch.testing.assert_close(built(x, LENGTHS), built(other, LENGTHS))


def test_mixup_mixes_vectors_and_counts_padding_as_zeros() -> None:
    built = network(*OWN)
    assert built.words is not None
    with torch.no_grad():
        built.words.tables[0].weight[0] = 7.0  # trained
        x = built.embed(some_input())
        torch.manual_seed(1)
        batch = Batch(x, LENGTHS, torch.tensor([0, 1, 0]), torch.arange(3))
        mixed = mix_up(batch, alpha=1.0)
    x = x * (torch.arange(4) < LENGTHS[:, None])[:, :, None]
    of_two = [mixed.share * x[1] + (1 - mixed.share) * x[other] for other in range(3)]
    assert any(torch.allclose(mixed.x[1], wanted) for wanted in of_two)


def test_every_parameter_is_optimized_once_and_words_do_not_decay() -> None:
    built = network(*OWN)
    groups = built.parameter_groups()
    listed = [id(p) for group in groups for p in group["params"]]
    assert sorted(listed) == sorted(map(id, built.parameters()))
    assert built.words is not None
    table = built.words.tables[0].weight
    assert [g["decay"] for g in groups if any(p is table for p in g["params"])] == [False]


def test_a_parameter_budget_counts_the_vectors() -> None:
    built = network(*OWN, "model=gru", "model.parameter_budget=500")
    assert 400 < sum(p.numel() for p in built.parameters()) <= 500

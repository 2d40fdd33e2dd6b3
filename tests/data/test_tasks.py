"""Generated tasks: their labels are what they say, found by other means; and they have floors."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from conftest import with_option
from unrolled.building.source import build_source
from unrolled.contracts import SourceData
from unrolled.data.noise_tail import append_noise
from unrolled.data.sources.mnist1d import MNIST1D, draw
from unrolled.errors import ConfigError

TASKS = ("parity", "temporal_order", "copy_last", "selective_copying", "dyck", "adding")
each_task = pytest.mark.parametrize("task", TASKS)
few = settings(max_examples=8)


def load(task: str, **changes: int) -> SourceData:
    sizes = {"num_train": 150, "num_val": 20, "num_test": 400}
    config = with_option("data", task)
    for key, value in {**sizes, **changes}.items():
        config.data.source[key] = value
    data: SourceData = build_source(config).load()
    return data


# what a reader who looks at the whole sequence finds


def parity_of(x: Tensor) -> int:
    return int(x[:, 1].sum()) % 2


def order_of(x: Tensor) -> int:
    marks = [int(step[4:].argmax()) for step in x if step[4:].any()]
    assert len(marks) == 2
    return 2 * marks[0] + marks[1]


def tenth_of(x: Tensor) -> int:
    assert x[-1, 9] == 1
    assert bool((x[10:-1, 8] == 1).all())
    return int(x[9].argmax())


def first_token_of(x: Tensor) -> int:
    tokens = [int(step.argmax()) for step in x if not step[8]]
    assert len(tokens) == 4
    return tokens[0]


def balance_of(x: Tensor) -> int:
    brackets = "()" if x.shape[1] == 2 else "([)]"
    text = "".join(brackets[int(step.argmax())] for step in x)
    while (shorter := text.replace("()", "").replace("[]", "")) != text:
        text = shorter
    return int(not text)


def sum_of(x: Tensor) -> int:
    marked = x[x[:, 1] == 1, 0]
    assert len(marked) == 2
    return int(marked.sum() > 1)


READERS: dict[str, Callable[[Tensor], int]] = {
    "parity": parity_of,
    "temporal_order": order_of,
    "copy_last": tenth_of,
    "selective_copying": first_token_of,
    "dyck": balance_of,
    "adding": sum_of,
}


@each_task
@few
@given(low=st.integers(12, 30), span=st.integers(0, 30), seed=st.integers(0, 2**31))
def test_the_class_is_what_a_reader_of_the_whole_sequence_finds(
    task: str, low: int, span: int, seed: int
) -> None:
    data = load(task, num_train=20, num_test=1, min_steps=low, max_steps=low + span, seed=seed)
    for x, length, y in zip(data.train.x, data.train.lengths, data.train.y, strict=True):
        assert READERS[task](x[: int(length)]) == int(y)
        assert low - 1 <= length <= low + span


SHORTEST = {
    "parity": 1,
    "temporal_order": 4,
    "copy_last": 11,
    "selective_copying": 4,  # as many as there are symbols to be remembered
    "dyck": 2,
    "adding": 2,
}


@each_task
@pytest.mark.parametrize("longest", [False, True])
def test_any_length_is_drawn_and_a_shorter_one_than_the_task_allows_is_refused(
    task: str, longest: bool
) -> None:
    num_steps = 1000 if longest else SHORTEST[task]
    part = load(task, num_train=30, num_test=1, min_steps=num_steps, max_steps=num_steps).train
    assert [READERS[task](x) for x in part.x] == part.y.tolist()
    assert part.lengths.tolist() == [num_steps] * 30
    with pytest.raises(ConfigError, match=r"data\.source: need .*min_steps.*, got "):
        load(task, min_steps=SHORTEST[task] - 1)


def test_two_kinds_of_brackets_have_to_match() -> None:
    data = load("dyck", num_kinds=2)
    found = [balance_of(x[: int(t)]) for x, t in zip(data.train.x, data.train.lengths, strict=True)]
    assert found == data.train.y.tolist()


@each_task
def test_parts_differ_and_a_seed_is_a_set(task: str) -> None:
    one, same, other = load(task), load(task), load(task, seed=1)
    assert all(map(torch.equal, one.train.tensors(), same.train.tensors()))
    assert not torch.equal(one.train.y, other.train.y)
    assert one.val is not None
    assert not torch.equal(one.train.x[:20, :4], one.val.x[:, :4]) or task == "copy_last"


FLOORS = {
    "parity": 1 / 2,
    "temporal_order": 1 / 2,  # the second mark is known, the first guessed
    "copy_last": 1 / 8,
    "selective_copying": 1 / 8,
    "dyck": None,  # depends on how words are damaged
    "adding": 3 / 4,  # P(u + v > 1) given that v > 1/2
}


@each_task
def test_the_simple_solution_has_the_expected_score(task: str) -> None:
    num = 4000
    data = load(task, num_train=1, num_test=num)
    assert data.test is not None
    (floor,) = data.baselines.values()
    expected = FLOORS[task]
    if expected is None:
        assert 0.5 < floor < 1
    else:
        assert floor == pytest.approx(expected, abs=4 * (expected * (1 - expected) / num) ** 0.5)


@each_task
def test_classes_are_about_as_frequent_as_each_other(task: str) -> None:
    data = load(task, num_train=4000, num_test=1)
    counts = torch.bincount(data.train.y, minlength=len(data.class_names)) / 4000
    assert (counts * len(data.class_names) - 1).abs().max() < 0.25


@each_task
@pytest.mark.parametrize(
    "change", [{"num_train": 0}, {"min_steps": 0}, {"max_steps": 1, "min_steps": 30}]
)
def test_sizes_that_make_no_sense_are_refused(task: str, change: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=r"data\.source: need "):
        load(task, **change)


# MNIST-1D


def test_mnist1d_is_that_of_the_authors_package() -> None:
    package = pytest.importorskip("mnist1d.data")
    published = package.make_dataset()
    x, y = draw(num=5000, seed=42)
    np.testing.assert_array_equal(x[:4000], published["x"])
    np.testing.assert_array_equal(x[4000:], published["x_test"])
    np.testing.assert_array_equal(y, np.concatenate([published["y"], published["y_test"]]))


def test_mnist1d_has_every_class_equally_often_and_is_standardised() -> None:
    x, y = draw(num=200, seed=3)
    assert x.shape == (200, 40)
    assert np.bincount(y).tolist() == [20] * 10
    assert (x.mean(), x.std()) == (pytest.approx(0, abs=1e-9), pytest.approx(1))


# noise behind a sequence


def test_noise_stands_behind_each_sequence_and_nowhere_else() -> None:
    part = load("adding", min_steps=12, max_steps=20).train
    noisy = append_noise(part, num_steps=5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(noisy.lengths, part.lengths + 5)
    for before, after, length in zip(part.x, noisy.x, part.lengths.tolist(), strict=True):
        assert torch.equal(after[:length], before[:length])
        assert after[length : length + 5].all()
        assert not after[length + 5 :].any()
    tails = torch.stack([x[t : t + 5] for x, t in zip(noisy.x, part.lengths, strict=True)])
    assert float(tails.std()) == pytest.approx(1, abs=0.05)


def test_mnist1d_comes_with_the_score_of_the_nearest_class_mean() -> None:
    x, y = draw(num=500, seed=42)
    means = np.stack([x[:400][y[:400] == digit].mean(axis=0) for digit in range(10)])
    nearest = ((x[400:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    baselines = MNIST1D(num=500, seed=42).load().baselines
    assert baselines == {"nearest class mean": pytest.approx((nearest == y[400:]).mean())}

"""What is refused before the first step, and where the message says it is."""

from typing import Any

import pytest
import torch

from unrolled.contracts import Sequences
from unrolled.data.sanity_checks import check_sequences
from unrolled.errors import DataError


def make(**changes: Any) -> Sequences:
    """Return three good sequences with ids 10, 20 and 30, but for the changes."""
    good = {
        "x": torch.randn(3, 4, 2),
        "lengths": torch.tensor([4, 2, 3]),
        "y": torch.tensor([0, 1, 4]),
        "ids": torch.tensor([10, 20, 30]),
    }
    return Sequences(**(good | changes))


def check(sequences: Sequences, *, split: str = "validation set") -> None:
    check_sequences(sequences, split=split, num_classes=5)


def with_values(*places: tuple[int, int, int], value: float) -> Sequences:
    sequences = make()
    for place in places:
        sequences.x[place] = value
    return sequences


def test_good_sequences_pass() -> None:
    check(make())


@pytest.mark.parametrize(
    ("value", "shown"), [(float("nan"), "nan"), (float("inf"), "inf"), (-float("inf"), "-inf")]
)
@pytest.mark.acceptance("A17")
def test_a_number_that_is_not_finite_is_named_with_its_place(value: float, shown: str) -> None:
    sequences = with_values((1, 1, 0), (2, 0, 0), (2, 0, 1), value=value)
    expected = (
        rf"validation set, row 20, step 1, feature 0: {shown} is not a finite number "
        r"\(3 such values in 2 sequences\)"
    )
    with pytest.raises(DataError, match=expected):
        check(sequences)


def test_infinities_that_would_cancel_are_found() -> None:
    sequences = with_values((0, 3, 1), value=float("inf"))
    sequences.x[0, 2, 1] = -float("inf")
    with pytest.raises(DataError, match=r"row 10, step 2, feature 1: -inf .*\(2 such values in 1"):
        check(sequences)


def test_what_stands_in_the_padding_is_nobodys_business() -> None:
    check(with_values((1, 2, 0), (2, 3, 1), value=float("nan")))


def test_large_numbers_whose_sum_is_infinite_are_finite() -> None:
    check(make(x=torch.full((3, 4, 2), 3e38)))


@pytest.mark.parametrize("label", [-100, -1, 5, 1000])
@pytest.mark.acceptance("A17")
def test_a_label_out_of_range_is_named_with_its_row(label: int) -> None:
    sequences = make(y=torch.tensor([0, label, label]))
    expected = (
        rf"training set, row 20: {label}; a label must be 0 to 4 \(5 classes\) \(2 rows are wrong\)"
    )
    with pytest.raises(DataError, match=expected):
        check(sequences, split="training set")


@pytest.mark.parametrize("length", [0, -3, 5, 99])
@pytest.mark.acceptance("A17")
def test_a_length_out_of_range_is_named_with_its_row(length: int) -> None:
    sequences = make(lengths=torch.tensor([4, 2, length]))
    expected = rf"test set, row 30: {length}; a length must be 1 to 4, .*\(1 rows are wrong\)"
    with pytest.raises(DataError, match=expected):
        check(sequences, split="test set")


@pytest.mark.acceptance("A17")
def test_an_empty_part_is_refused() -> None:
    none = torch.arange(0)
    with pytest.raises(DataError, match="the test set is empty"):
        check(make().take(none), split="test set")

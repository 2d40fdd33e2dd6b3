"""A sequence longer than the maximum loses its head or its tail; a shorter one nothing."""

import pytest
import torch

from unrolled.contracts import Sequences
from unrolled.data.truncation import truncate
from unrolled.errors import ConfigError

LENGTHS = torch.tensor([5, 2, 3])
SEQUENCES = Sequences(
    x=torch.arange(15.0).reshape(3, 5, 1),
    lengths=LENGTHS,
    y=torch.tensor([0, 1, 0]),
    ids=torch.arange(3),
)


@pytest.mark.parametrize(("end", "kept"), [("tail", [0, 1, 2]), ("head", [2, 3, 4])])
def test_the_end_that_is_named_is_cut_off(end: str, kept: list[int]) -> None:
    cut = truncate(SEQUENCES, max_length=3, end=end)
    assert cut.x[0, :, 0].tolist() == kept
    assert cut.lengths.tolist() == [3, 2, 3]
    assert cut.x[1, :2, 0].tolist() == [5, 6]


@pytest.mark.parametrize("max_length", [None, 5, 9])
def test_sequences_that_are_short_enough_stay(max_length: int | None) -> None:
    assert truncate(SEQUENCES, max_length=max_length, end="head") is SEQUENCES


def test_another_end_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"data\.truncate=middle: need one of head, tail"):
        truncate(SEQUENCES, max_length=3, end="middle")

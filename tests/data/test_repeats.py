"""Sequences with the same values in two sets are found, whatever their padding."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.contracts import Sequences
from unrolled.data import selection
from unrolled.data.repeats import repeated
from unrolled.data.selection import Selection


def a_set(sequences: list[list[int]], *, width: int, padding: float = 0.0) -> Selection:
    x = torch.full((len(sequences), width, 1), padding)
    for row, values in enumerate(sequences):
        x[row, : len(values), 0] = torch.tensor(values)
    lengths = torch.tensor([len(values) for values in sequences])
    zeros = torch.zeros(len(sequences), dtype=torch.long)
    return Selection.of_all(Sequences(x=x, lengths=lengths, y=zeros, ids=zeros))


some = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=3), min_size=1, max_size=12)


@settings(max_examples=100)
@given(one=some, other=some, third=some)
def test_repeated_sequences_are_those_whose_values_occur_in_another_set(
    one: list[list[int]], other: list[list[int]], third: list[list[int]]
) -> None:
    sets = [a_set(other, width=3), a_set(third, width=4, padding=7.0)]
    found = repeated([*sets, a_set(one, width=5, padding=9.0)])[-1]
    assert found.tolist() == [values in other + third for values in one]


def test_labels_and_ids_do_not_matter_but_every_value_does() -> None:
    part = Sequences.of_equal_length(torch.randn(50, 7, 3), torch.arange(50) % 2, first_id=0)
    x = part.x.clone()
    x[10:, 6, 2] += 1e-5
    other = replace(part, x=x, y=part.y + 1, ids=part.ids + 99)
    sets = [Selection.of_all(part), Selection.of_all(other)]
    assert repeated(sets)[-1].tolist() == [True] * 10 + [False] * 40


def test_missing_values_are_equal_to_each_other() -> None:
    part = a_set([[1, 2]], width=2)
    part.sequences.x[0, 0, 0] = torch.nan
    assert repeated([part, part])[-1].all()


@pytest.mark.parametrize("block", [1, 1000])
def test_blocks_do_not_matter(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "BLOCK_VALUES", block)
    part = a_set([[1], [2], [3], [4]], width=2)
    assert repeated([a_set([[4], [2]], width=1), part])[-1].tolist() == [False, True, False, True]

"""Splits: disjoint, complete, in proportion, and a function of their own seed."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.data.splits import fold_out, hold_out
from unrolled.errors import ConfigError, DataError

Y = torch.tensor([0] * 50 + [1] * 30 + [2] * 20)[torch.randperm(100)]

SPLITS = ("stratified", "random")  # those that need nothing but labels

few = settings(max_examples=30)
each_split = pytest.mark.parametrize("split", SPLITS)


@few
@given(
    size=st.one_of(st.integers(3, 97), st.floats(0.03, 0.97)),
    split=st.sampled_from(SPLITS),
    seed=st.integers(0, 2**32 - 1),
)
def test_kept_and_held_are_disjoint_and_complete(size: float, split: str, seed: int) -> None:
    kept, held = hold_out(Y, size=size, split=split, seed=seed)
    assert sorted([*kept.tolist(), *held.tolist()]) == list(range(100))


@each_split
@pytest.mark.parametrize(("size", "num"), [(7, 7), (0.25, 25), (0.031, 3), (99 - 3, 96)])
def test_as_many_are_held_out_as_asked_for(split: str, size: float, num: int) -> None:
    _, held = hold_out(Y, size=size, split=split, seed=0)
    assert len(held) == num


@few
@given(num=st.integers(3, 97), seed=st.integers(0, 1000))
def test_a_stratified_split_keeps_the_share_of_each_class_within_one(num: int, seed: int) -> None:
    _, held = hold_out(Y, size=num, split="stratified", seed=seed)
    counts = torch.bincount(Y[held], minlength=3)
    expected = torch.bincount(Y) * num / len(Y)
    assert (counts - expected).abs().max() <= 1


@few
@given(
    y=st.lists(st.integers(0, 4), min_size=20, max_size=60),
    share=st.floats(0.2, 0.8),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_stratified_split_is_the_one_of_scikit_learn(
    y: list[int], share: float, seed: int
) -> None:
    from sklearn.model_selection import train_test_split

    y, size = [*y, 0, 0, 1, 1], round(share * len(y))
    try:
        expected = train_test_split(range(len(y)), test_size=size, stratify=y, random_state=seed)
    except ValueError:
        with pytest.raises(DataError):
            hold_out(torch.tensor(y), size=size, split="stratified", seed=seed)
    else:
        found = hold_out(torch.tensor(y), size=size, split="stratified", seed=seed)
        assert [rows.tolist() for rows in found] == expected


@each_split
def test_the_same_seed_gives_the_same_split(split: str) -> None:
    one = hold_out(Y, size=20, split=split, seed=5)
    torch.manual_seed(123)
    other = hold_out(Y, size=20, split=split, seed=5)
    assert all(map(torch.equal, one, other))


@each_split
def test_another_seed_gives_another_split(split: str) -> None:
    held = {tuple(sorted(hold_out(Y, size=20, split=split, seed=s)[1].tolist())) for s in range(5)}
    assert len(held) == 5


@each_split
@pytest.mark.parametrize("size", [100, 150, 0.999])
def test_a_split_that_leaves_nothing_is_refused(split: str, size: float) -> None:
    with pytest.raises(DataError, match=r"cannot hold out \d+ of 100 sequences: none"):
        hold_out(Y, size=size, split=split, seed=0)


def test_a_class_too_small_to_stratify_is_refused_with_a_remedy() -> None:
    y = torch.tensor([0] * 20 + [1])
    with pytest.raises(DataError, match=r"in proportion to the classes .*data\.split=random"):
        hold_out(y, size=5, split="stratified", seed=0)


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"data\.split='by_hand': need one of stratified, random"):
        hold_out(Y, size=5, split="by_hand", seed=0)


@each_split
def test_each_row_is_in_one_fold_and_folds_are_of_equal_size(split: str) -> None:
    folds = [fold_out(Y, fold=n, num_folds=5, split=split, seed=3) for n in range(5)]

    assert sorted(row for _, held in folds for row in held.tolist()) == list(range(100))
    assert all(sorted([*kept.tolist(), *held.tolist()]) == list(range(100)) for kept, held in folds)
    assert {len(held) for _, held in folds} == {20}


def test_stratified_folds_have_the_classes_in_proportion() -> None:
    for fold in range(10):
        _, held = fold_out(Y, fold=fold, num_folds=10, split="stratified", seed=3)
        assert torch.bincount(Y[held]).tolist() == [5, 3, 2]


@each_split
def test_the_seed_of_the_split_changes_the_folds(split: str) -> None:
    held = {
        tuple(fold_out(Y, fold=0, num_folds=5, split=split, seed=seed)[1].tolist())
        for seed in range(5)
    }
    assert len(held) == 5


def test_folds_that_cannot_be_made_are_refused() -> None:
    with pytest.raises(DataError, match="20 sequences in the smallest class"):
        fold_out(Y, fold=0, num_folds=21, split="stratified", seed=0)
    with pytest.raises(DataError, match="100 sequences in all"):
        fold_out(Y, fold=0, num_folds=101, split="random", seed=0)
    with pytest.raises(ConfigError, match="need one of stratified, random"):
        fold_out(Y, fold=0, num_folds=2, split="by_hand", seed=0)


# groups and times

GROUPS = torch.tensor([7, 3, 9, 1, 3]).repeat_interleave(20)


@few
@given(num=st.integers(1, 40), seed=st.integers(0, 1000))
def test_a_group_never_stands_on_two_sides(num: int, seed: int) -> None:
    kept, held = hold_out(Y, size=num, split="group", seed=seed, groups=GROUPS)
    assert not set(GROUPS[kept].tolist()) & set(GROUPS[held].tolist())
    assert sorted([*kept.tolist(), *held.tolist()]) == list(range(100))
    assert len(held) >= num


def test_a_group_that_holds_everything_cannot_be_split() -> None:
    with pytest.raises(DataError, match=r"in whole groups: there are 1 groups"):
        hold_out(Y, size=10, split="group", seed=0, groups=torch.zeros(100, dtype=torch.long))


def test_a_split_by_time_holds_out_what_starts_last() -> None:
    starts = torch.randperm(100).double()
    spans = torch.stack([starts, starts + 0.5], dim=1)
    kept, held = hold_out(Y, size=30, split="time", seed=0, spans=spans)
    assert (len(kept), len(held)) == (70, 30)
    assert starts[kept].max() < starts[held].min()


@few
@given(lengths=st.lists(st.integers(0, 9), min_size=12, max_size=30), num=st.integers(1, 3))
def test_no_recording_overlaps_the_cut_of_a_split_by_time(lengths: list[int], num: int) -> None:
    starts = 3 * torch.arange(len(lengths)).double()
    spans = torch.stack([starts, starts + torch.tensor(lengths)], dim=1)
    kept, held = hold_out(spans[:, 0].long() % 2, size=num, split="time", seed=0, spans=spans)
    cut = spans[held, 0].min()
    assert spans[kept, 1].max() < cut
    left_out = set(range(len(lengths))) - set(kept.tolist()) - set(held.tolist())
    assert all(spans[row, 1] >= cut for row in left_out)


def test_the_number_of_overlapping_recordings_is_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    spans = torch.tensor([[0.0, 1.0], [2.0, 6.0], [3.0, 4.0], [6.0, 7.0]])
    kept, _ = hold_out(Y[:4], size=1, split="time", seed=0, spans=spans)
    assert kept.tolist() == [0, 2]
    assert "1 of the 3 earlier sequences overlap the held-out ones in time" in caplog.text


def test_times_that_begin_again_in_each_recording_cannot_be_split() -> None:
    spans = torch.tensor([[0.0, 5.0]]).expand(10, 2)
    with pytest.raises(DataError, match=r"all of the 8 .* begin again"):
        hold_out(Y[:10], size=2, split="time", seed=0, spans=spans)


def test_a_split_by_time_divides_no_group() -> None:
    spans = torch.arange(6.0)[:, None].expand(6, 2)
    groups = torch.tensor([0, 1, 0, 2, 1, 3])
    kept, held = hold_out(Y[:6], size=2, split="time", seed=0, spans=spans, groups=groups)
    assert (kept.tolist(), held.tolist()) == ([0, 2, 3], [4, 5])


@pytest.mark.parametrize(("split", "key"), [("group", "group"), ("time", "time")])
def test_a_split_without_what_it_needs_is_refused(split: str, key: str) -> None:
    with pytest.raises(ConfigError, match=rf"data\.split={split} needs .*data\.{key}=COLUMN"):
        hold_out(Y, size=10, split=split, seed=0)

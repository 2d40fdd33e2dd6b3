"""Windows: every step is in one, their class is what a loop says, recordings stay together."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_module import Given, make, unprepared

from unrolled.contracts import Sequences, SourceData
from unrolled.data.sources.digits import Digits
from unrolled.data.windows import Windows
from unrolled.errors import ConfigError, DataError

few = settings(max_examples=40)
NAMES = ["a", "b", "c"]


def windows(size: int | None, stride: int | None = None, **changes: Any) -> Windows:
    return Windows(size=size, stride=stride, **{"label": "refuse", "background": None, **changes})


@st.composite
def recordings(draw: Any) -> Sequences:
    """Draw ragged recordings whose every value says which step it is, and whose labels change."""
    lengths = torch.tensor(draw(st.lists(st.integers(1, 12), min_size=1, max_size=5)))
    num, longest = len(lengths), int(lengths.max())
    x = 1 + torch.arange(num * longest, dtype=torch.float32).view(num, longest, 1)
    labels = st.lists(st.integers(0, 2), min_size=num * longest, max_size=num * longest)
    return Sequences(
        x=x,
        lengths=lengths,
        y=torch.zeros(num, dtype=torch.long),
        ids=torch.arange(num) + 7,
        step_y=torch.tensor(draw(labels)).view(num, longest),
    )


sizes = st.integers(1, 9).flatmap(lambda size: st.tuples(st.just(size), st.integers(1, size)))


def slices(part: Sequences, size: int, stride: int) -> list[tuple[int, int, int]]:
    """Return row, start and end of each window, found one after the other."""
    found = []
    for row, length in enumerate(part.lengths.tolist()):
        start = 0
        while start + size < length:
            found.append((row, start, start + size))
            start += stride
        found.append((row, max(length - size, 0), length))
    return found


@few
@given(part=recordings(), shape=sizes)
def test_windows_are_the_slices_that_a_loop_cuts(part: Sequences, shape: tuple[int, int]) -> None:
    cut = windows(*shape, label="last").cut(part, background=None)
    expected = slices(part, *shape)
    assert len(cut) == len(expected)
    for x, length, number, (row, start, end) in zip(
        cut.x, cut.lengths.tolist(), cut.ids.tolist(), expected, strict=True
    ):
        assert (length, number) == (end - start, int(part.ids[row]))
        assert torch.equal(x[:length], part.x[row, start:end])
        assert not x[length:].any()


@few
@given(part=recordings(), shape=sizes)
def test_every_step_is_in_some_window_and_no_padding_is(
    part: Sequences, shape: tuple[int, int]
) -> None:
    cut = windows(*shape, label="last").cut(part, background=None)
    real = torch.arange(part.x.shape[1]) < part.lengths[:, None]
    inside = torch.arange(cut.x.shape[1]) < cut.lengths[:, None]
    assert set(cut.x[inside].flatten().tolist()) == set(part.x[real].flatten().tolist())
    assert int(cut.lengths.max()) <= shape[0]


@few
@given(
    part=recordings(),
    shape=sizes,
    label=st.sampled_from(["last", "majority", "any"]),
    background=st.integers(0, 2),
)
def test_the_class_of_a_window_is_what_a_loop_says(
    part: Sequences, shape: tuple[int, int], label: str, background: int
) -> None:
    cut = windows(*shape, label=label).cut(part, background=background)
    assert part.step_y is not None
    for y, (row, start, end) in zip(cut.y.tolist(), slices(part, *shape), strict=True):
        steps = part.step_y[row, start:end].tolist()
        if label == "any":
            steps = [step for step in steps if step != background] or [background]
        counts = Counter(steps)
        most = min(name for name in counts if counts[name] == max(counts.values()))
        assert y == (steps_last(part, row, end) if label == "last" else most)


def steps_last(part: Sequences, row: int, end: int) -> int:
    assert part.step_y is not None
    return int(part.step_y[row, end - 1])


def test_the_background_is_the_class_of_most_training_steps_unless_it_is_named() -> None:
    part = Sequences(
        x=torch.zeros(2, 3, 1),
        lengths=torch.tensor([3, 1]),
        y=torch.tensor([1, 1]),
        ids=torch.arange(2),
        step_y=torch.tensor([[1, 1, 2], [0, 2, 2]]),  # the last two are padding
    )
    assert windows(2, label="any").background_of([part], NAMES) == "b"
    assert windows(2, label="any", background="c").background_of([part], NAMES) == "c"
    assert windows(2, label="last").background_of([part], NAMES) is None
    with pytest.raises(DataError, match=r"data\.window\.background=d: no such class"):
        windows(2, label="any", background="d").background_of([part], NAMES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 4, "stride": 5}, r"stride=5: need 1 <= stride <= size"),
        ({"size": 0, "stride": None}, r"size=0"),
        ({"size": 4, "stride": 0}, r"stride=0"),
        ({"size": None, "stride": 2}, r"need windows: data\.window\.size=STEPS"),
        ({"size": None, "label": "last"}, r"need windows"),
        ({"size": 4, "label": "first"}, r"data\.window\.label=first"),
        ({"size": 4, "label": "last", "background": "a"}, r"is for data\.window\.label=any"),
    ],
)
def test_windows_that_make_no_sense_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        windows(**arguments)


# in the data module


def ragged(num: int, *, changing: bool = False) -> SourceData:
    generator = torch.Generator().manual_seed(num)
    lengths = torch.randint(3, 30, (num,), generator=generator)
    y = torch.arange(num) % 3
    step_y = torch.randint(0, 3, (num, 30), generator=generator) if changing else None
    train = Sequences(
        x=5 + torch.randn(num, 30, 2, generator=generator),
        lengths=lengths,
        y=y,
        ids=torch.arange(num),
        step_y=step_y,
    )
    return SourceData(
        train=train,
        val=None,
        test=None,
        class_names=NAMES,
        groups=torch.arange(num) // 3,
        spans=torch.rand(num, 1, generator=generator, dtype=torch.float64).expand(num, 2),
    )


@settings(max_examples=20)
@given(
    split=st.sampled_from(["stratified", "random", "group", "time"]),
    shape=sizes,
    fold=st.sampled_from([None, 0, 2]),
)
def test_windows_of_a_recording_or_a_group_never_stand_on_two_sides(
    split: str, shape: tuple[int, int], fold: int | None
) -> None:
    if split == "time" and fold is not None:
        return  # there are no folds in time
    data = ragged(36)
    changes = {"split": split, "fold": fold, "num_folds": 3}
    parts = make(data, **changes, window=windows(*shape)).parts
    whole = make(data, **changes).parts
    assert parts.val is not None
    assert parts.test is not None
    sides = [set(part.ids.tolist()) for part in (parts.train, parts.val, parts.test)]
    assert [len(side) for side in sides] == list(whole.sizes().values())
    assert sum(map(len, sides)) == len(set.union(*sides))
    if split != "time":  # which leaves out recordings of the groups that it holds out
        assert len(set.union(*sides)) == 36
    if split in ("group", "time"):
        groups = [{number // 3 for number in side} for side in sides]
        assert sum(map(len, groups)) == len(set.union(*groups))


def test_statistics_count_each_step_of_a_training_recording_once() -> None:
    """Windows that overlap, or end where a recording ends, would count some twice."""
    one, other = make(ragged(36)), make(ragged(36), window=windows(8, 3))
    assert one.fitted is not None
    assert other.fitted is not None
    assert one.fitted.standardization.to_plain() == other.fitted.standardization.to_plain()
    assert one.num_steps == int(one.parts.train.lengths.max()) > 8
    assert other.num_steps == 8


def test_images_can_be_cut_into_windows_of_their_rows() -> None:
    whole, cut = make(Digits()), make(Digits(), window=windows(5, 3))
    assert len(cut.parts.train) == 2 * len(whole.parts.train)
    assert torch.equal(cut.parts.train.x[::2], whole.parts.train.x[:, :5])
    assert torch.equal(cut.parts.train.x[1::2], whole.parts.train.x[:, 3:])


@pytest.mark.parametrize("window", [windows(None), windows(5)])
def test_labels_that_change_are_refused_unless_windows_have_one(window: Windows) -> None:
    with pytest.raises(DataError, match=r"labels change within sequences; data\.window\.size="):
        make(ragged(36, changing=True), window=window)


def test_the_fitted_background_is_used_for_other_data() -> None:
    data = ragged(36, changing=True)
    module = make(data, window=windows(4, label="any"))
    assert module.preprocessing()["window_background"] in NAMES
    assert data.train.step_y is not None
    other = (NAMES.index(module.preprocessing()["window_background"]) + 1) % 3
    step_y = torch.full_like(data.train.step_y, other)
    step_y[:, 0] = (other + 1) % 3  # so that labels change
    turned = replace(data, train=replace(data.train, step_y=step_y))
    fresh = make(turned, window=windows(4, label="any"))
    again = unprepared(Given(turned), window=windows(4, label="any"))
    again.fitted = module.fitted
    again.setup()
    backgrounds = [made.preprocessing()["window_background"] for made in (again, module, fresh)]
    assert backgrounds[0] == backgrounds[1] != backgrounds[2]


def test_a_maximum_length_cuts_labels_with_their_steps() -> None:
    data = ragged(36, changing=True)
    assert data.train.step_y is not None
    module = make(
        data,
        max_length=3,
        truncate="head",
        val_size=0,
        test_size=0,
        window=windows(3, label="last"),
    )
    last = data.train.step_y[torch.arange(36), data.train.lengths - 1]
    assert torch.equal(module.parts.train.y, last)

"""The data of a run: parts that share nothing, statistics of train alone, honest batches."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from itertools import chain
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits

from unrolled.contracts import Sequences, Source, SourceData
from unrolled.data.batches import Batches, Batching
from unrolled.data.channels import ChannelSettings
from unrolled.data.fitted import Fitted
from unrolled.data.module import SequenceDataModule
from unrolled.data.parts import Division
from unrolled.data.preparation import Preparation
from unrolled.data.sanity_checks import SPLIT_NAMES
from unrolled.data.sources.digits import Digits
from unrolled.data.sources.random import Random
from unrolled.data.standardization import Standardization
from unrolled.data.windows import Windows
from unrolled.errors import ConfigError, DataError

DEFAULTS: dict[str, Any] = {
    "layout": "rows",
    "permutation": 0,
    "pixels_per_step": 1,
    "split": "stratified",
    "split_seed": 0,
    "val_size": 0.1,
    "test_size": 0.2,
    "fold": None,
    "test_fold": None,
    "num_folds": 5,
    "max_length": None,
    "truncate": "tail",
    "standardize": "feature",
    "noise_steps": 0,
    "noise_seed": 0,
    "channels": ChannelSettings(
        per_sequence=False, differences=False, level_and_scale=False, causal=False
    ),
    "window": Windows(size=None, stride=None, label="refuse", background=None),
    "batch_size": 32,
    "eval_batch_size": 100,
    "drop_last": False,
    "shuffle": True,
    "bucket_batches": 20,
    "curriculum_epochs": 0,
    "device_share": 0.5,
    "seed": 1,
}


class Given(Source):
    """Gives what it is given, and counts how often it is asked."""

    def __init__(self, data: SourceData) -> None:
        self.data = data
        self.num_loads = 0

    def load(self) -> SourceData:
        self.num_loads += 1
        return self.data


def some_sequences(num: int, *, first_id: int = 0) -> Sequences:
    generator = torch.Generator().manual_seed(first_id)
    x = 5 * torch.randn(num, 4, 3, generator=generator) + 2
    return Sequences.of_equal_length(x, torch.arange(num) % 3, first_id=first_id)


def some_data(*, with_val: bool = True, with_test: bool = True) -> SourceData:
    return SourceData(
        train=some_sequences(60),
        val=some_sequences(20, first_id=60) if with_val else None,
        test=some_sequences(30, first_id=80) if with_test else None,
        class_names=["a", "b", "c"],
    )


def unprepared(source: Source, **changes: Any) -> SequenceDataModule:
    settings = {**DEFAULTS, **changes}
    division = Division(**{field.name: settings.pop(field.name) for field in fields(Division)})
    preparation = {**settings, "division": division}
    preparation = {field.name: preparation[field.name] for field in fields(Preparation)}
    batching = {field.name: settings[field.name] for field in fields(Batching)}
    return SequenceDataModule(
        source=source,
        preparation=Preparation(**preparation),
        batching=Batching(**batching),
        seed=settings["seed"],
    )


def make(source: Source | SourceData, **changes: Any) -> SequenceDataModule:
    source = Given(source) if isinstance(source, SourceData) else source
    module = unprepared(source, **changes)
    module.prepare_data()
    module.setup()
    return module


def ids_of(part: Sequences | None) -> list[int]:
    return [] if part is None else part.ids.tolist()


def all_parts(module: SequenceDataModule) -> list[Sequences | None]:
    return [module.parts.train, module.parts.val, module.parts.test]


# splits


@pytest.mark.parametrize("split", ["stratified", "random"])
def test_the_parts_of_digits_are_disjoint_and_complete(split: str) -> None:
    module = make(Digits(), split=split)
    assert sorted(chain(*map(ids_of, all_parts(module)))) == list(range(1797))


def test_test_is_held_out_first_and_val_from_the_rest() -> None:
    module = make(Digits(), test_size=0.2, val_size=0.1)
    assert module.parts.sizes() == {"train": 1294, "val": 144, "test": 359}


def test_each_held_out_part_of_digits_has_the_classes_in_proportion() -> None:
    module = make(Digits())
    shares = torch.bincount(torch.from_numpy(load_digits().target))
    for part in all_parts(module):
        expected = shares * len(part) / 1797
        assert (torch.bincount(part.y) - expected).abs().max() <= 2  # two splits, 1 each


def test_the_seed_of_the_run_does_not_change_the_split() -> None:
    one, other = make(Digits(), seed=1), make(Digits(), seed=2)
    assert list(map(ids_of, all_parts(one))) == list(map(ids_of, all_parts(other)))


def test_the_seed_of_the_split_changes_it() -> None:
    one, other = make(Digits(), split_seed=1), make(Digits(), split_seed=2)
    assert set(ids_of(one.parts.test)) != set(ids_of(other.parts.test))
    assert set(ids_of(one.parts.val)) != set(ids_of(other.parts.val))


def test_the_size_of_val_does_not_change_test() -> None:
    one, other = make(Digits(), val_size=0.1), make(Digits(), val_size=0)
    assert ids_of(one.parts.test) == ids_of(other.parts.test)


def test_parts_that_the_source_gives_stay_as_they_are() -> None:
    module = make(some_data())
    expected = [list(range(60)), list(range(60, 80)), list(range(80, 110))]
    assert list(map(ids_of, all_parts(module))) == expected


def test_a_val_part_is_held_out_of_train_where_only_test_is_given() -> None:
    module = make(some_data(with_val=False), val_size=15)
    assert module.parts.sizes() == {"train": 45, "val": 15, "test": 30}
    assert sorted(ids_of(module.parts.train) + ids_of(module.parts.val)) == list(range(60))


def test_folds_share_their_test_part_and_cover_the_rest() -> None:
    folds = [make(Digits(), fold=fold, num_folds=3).parts for fold in range(3)]

    assert len({tuple(ids_of(parts.test)) for parts in folds}) == 1
    held = [number for parts in folds for number in ids_of(parts.val)]
    assert len(held) == len(set(held))
    for parts in folds:
        assert set(ids_of(parts.train)) == set(held) - set(ids_of(parts.val))


def test_a_fold_of_a_source_with_a_val_part_is_refused() -> None:
    with pytest.raises(ConfigError, match="validation set of its own"):
        make(some_data(), fold=0)


def test_a_fold_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"data\.fold=5 of 5"):
        make(some_data(with_val=False), fold=5)


def test_without_sizes_there_are_no_held_out_parts() -> None:
    module = make(some_data(with_val=False, with_test=False), val_size=0, test_size=0)
    assert module.parts.sizes() == {"train": 60, "val": 0, "test": 0}
    assert module.val_dataloader() == []
    assert module.test_dataloader() == []


# standardisation


def test_train_comes_out_with_mean_0_and_deviation_1() -> None:
    x = make(some_data()).parts.train.x.flatten(0, 1)
    torch.testing.assert_close(x.mean(dim=0), torch.zeros(3), atol=1e-6, rtol=0)
    torch.testing.assert_close(x.std(dim=0, correction=0), torch.ones(3))


@pytest.mark.parametrize("mode", ["global", "feature"])
def test_values_of_given_val_and_test_parts_do_not_change_what_train_looks_like(mode: str) -> None:
    data = some_data()
    shifted = replace(
        data,
        val=replace(data.val, x=data.val.x * 100),
        test=replace(data.test, x=data.test.x - 1000),
    )
    one, other = make(data, standardize=mode), make(shifted, standardize=mode)
    assert one.fitted.standardization.to_plain() == other.fitted.standardization.to_plain()
    assert torch.equal(one.parts.train.x, other.parts.train.x)


@pytest.mark.parametrize("mode", ["global", "feature"])
def test_values_of_held_out_sequences_do_not_change_what_train_looks_like(mode: str) -> None:
    data = some_data(with_val=False, with_test=False)
    one = make(data, standardize=mode)
    x = data.train.x.clone()
    x[ids_of(one.parts.val) + ids_of(one.parts.test)] *= 100
    other = make(replace(data, train=replace(data.train, x=x)), standardize=mode)
    assert one.fitted.standardization.to_plain() == other.fitted.standardization.to_plain()
    assert torch.equal(one.parts.train.x, other.parts.train.x)


def test_val_and_test_are_standardised_as_train_is() -> None:
    data = some_data()
    module = make(data)
    for part, raw in ((module.parts.val, data.val), (module.parts.test, data.test)):
        torch.testing.assert_close(part.x, module.fitted.scale(raw.x.double()).float())
        assert not torch.equal(part.x, raw.x)


def test_a_standardisation_that_is_set_beforehand_is_kept() -> None:
    module = unprepared(Given(some_data()))
    fitted = make(some_data()).fitted
    assert fitted is not None
    known = Standardization(mean=torch.tensor([9.0]), scale=torch.tensor([2.0]))
    module.fitted = replace(fitted, standardization=known)
    module.setup()
    assert torch.equal(module.parts.test.x, (some_data().test.x - 9) / 2)


# layout


@pytest.mark.parametrize(
    ("layout", "shape"),
    [("rows", (4, 3)), ("columns", (3, 4)), ("pixels", (12, 1)), ("permuted", (12, 1))],
)
def test_every_part_is_laid_out_with_lengths_to_match(layout: str, shape: tuple[int, int]) -> None:
    module = make(some_data(), layout=layout)
    for part in all_parts(module):
        assert part.x.shape[1:] == shape
        assert set(part.lengths.tolist()) == {shape[0]}
    assert module.num_features == shape[1]


def test_sequences_of_different_lengths_cannot_be_read_by_columns() -> None:
    data = some_data()
    lengths = data.train.lengths.clone()
    lengths[3] = 2
    with pytest.raises(DataError, match=r"data\.layout=columns needs sequences of equal length"):
        make(replace(data, train=replace(data.train, lengths=lengths)), layout="columns")


# batches


def test_training_batches_have_every_sequence_once_in_each_epoch() -> None:
    loader = make(some_data()).train_dataloader()
    for epoch in (0, 1):
        loader.set_epoch(epoch)
        assert sorted(n for batch in loader for n in batch.ids.tolist()) == list(range(60))


def test_the_order_of_training_depends_on_the_seed_of_the_run() -> None:
    def order(seed: int) -> list[int]:
        return [n for batch in make(some_data(), seed=seed).train_dataloader() for n in batch.ids]

    assert order(0) == order(0)
    assert order(0) != order(1)


@pytest.mark.parametrize(
    ("loader", "first", "last"),
    [
        (SequenceDataModule.val_dataloader, 60, 80),
        (SequenceDataModule.test_dataloader, 80, 110),
    ],
)
def test_evaluation_reads_every_sequence_in_order(
    loader: Callable[[SequenceDataModule], Batches], first: int, last: int
) -> None:
    batches = list(loader(make(some_data(), eval_batch_size=8)))
    assert [n for batch in batches for n in batch.ids.tolist()] == list(range(first, last))
    assert {len(batch.y) for batch in batches[:-1]} == {8}


def test_without_shuffling_training_keeps_the_order_of_the_source() -> None:
    loader = make(some_data(), shuffle=False).train_dataloader()
    assert [n for batch in loader for n in batch.ids.tolist()] == list(range(60))


# the rest


def test_setting_up_twice_loads_once() -> None:
    source = Given(some_data())
    module = make(source)
    module.setup("test")
    assert source.num_loads == 1


def test_the_source_is_left_as_it_was() -> None:
    data = some_data()
    before = data.train.x.clone()
    make(data)
    assert torch.equal(data.train.x, before)


def test_the_fingerprint_is_that_of_the_raw_data() -> None:
    one = make(some_data(), standardize="none", layout="rows", split_seed=0)
    other = make(some_data(), standardize="global", layout="pixels", split_seed=4)
    assert one.fingerprint == other.fingerprint


@pytest.mark.parametrize("part", ["train", "val", "test"])
@pytest.mark.parametrize("what", ["x", "y"])
def test_the_fingerprint_changes_with_any_value_of_any_part(part: str, what: str) -> None:
    data = some_data()
    sequences = data.parts()[part]
    changed = getattr(sequences, what).clone()
    changed[0] = (changed[0] + 1) % 3
    other = replace(data, **{part: replace(sequences, **{what: changed})})
    assert make(data).fingerprint != make(other).fingerprint


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_a_part_with_a_wrong_number_is_refused_by_name(part: str) -> None:
    data = some_data()
    sequences = data.parts()[part]
    x = sequences.x.clone()
    x[2, 1, 0] = float("nan")
    spoilt = replace(data, **{part: replace(sequences, x=x)})
    with pytest.raises(
        DataError, match=rf"^{SPLIT_NAMES[part]}, row {int(sequences.ids[2])}, step 1"
    ):
        make(spoilt)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, r"data\.batch_size=0: need at least 1"),
        ({"eval_batch_size": 0}, r"data\.eval_batch_size=0: need at least 1"),
        ({"val_size": -1}, r"data\.val_size >= 0 .*, got -1 and 0\.2"),
        ({"test_size": -0.5}, r"data\.test_size >= 0, got 0\.1 and -0\.5"),
        ({"layout": "spiral"}, r"data\.layout='spiral'"),
        ({"standardize": "max"}, r"data\.standardize='max'"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(some_data(), **changes)


@pytest.mark.parametrize("split", ["by_hand"])
def test_an_unknown_split_is_refused(split: str) -> None:
    with pytest.raises(ConfigError, match=r"data\.split='by_hand'"):
        make(some_data(with_val=False), split=split)


# lengths, noise, missing values, baselines


def test_a_maximum_length_cuts_every_part() -> None:
    module = make(some_data(), max_length=2, truncate="head", standardize="none")
    for part, given in zip(all_parts(module), some_data().parts().values(), strict=True):
        assert part is not None
        assert torch.equal(part.x, given.x[:, -2:])
        assert part.lengths.tolist() == [2] * len(part)


def test_noise_is_another_in_each_part_and_leaves_the_statistics_alone() -> None:
    plain, noisy = make(some_data()), make(some_data(), noise_steps=3)
    tails = []
    for before, after in zip(all_parts(plain), all_parts(noisy), strict=True):
        assert before is not None
        assert after is not None
        assert torch.equal(after.x[:, :4], before.x)
        tails.append(after.x[:20, 4:])
    assert not torch.equal(tails[0], tails[1])
    assert not torch.equal(tails[1], tails[2])


def test_missing_values_are_filled_with_what_the_training_part_has() -> None:
    data = some_data()
    assert data.val is not None
    data.val.x[0, 0, 0] = float("nan")
    module = make(replace(data, missing="mean"), standardize="none")
    assert module.parts.val is not None
    mean = data.train.x[:, :, 0].mean()
    torch.testing.assert_close(module.parts.val.x[0, 0, 0], mean)


def test_the_baseline_is_the_share_of_the_most_frequent_training_class_in_the_test_set() -> None:
    data = some_data()
    assert data.test is not None
    uneven = replace(data.train, y=torch.where(data.train.y == 1, 2, data.train.y))
    module = make(replace(data, train=uneven, baselines={"a guess": 0.4}))
    share = float((data.test.y == 2).double().mean())
    assert module.baselines == {"majority class": share, "a guess": 0.4}


def test_fitted_values_are_applied_to_other_data() -> None:
    module = make(replace(some_data(), missing="mask"))
    other = unprepared(Given(replace(some_data(), missing="mask")))
    values = json.loads(json.dumps(module.preprocessing()))
    values["filling"]["mean"] = [1.0, 2.0, 3.0]
    other.fitted = Fitted.from_plain(values)
    other.setup()
    assert other.fitted.filling.mean.tolist() == [1, 2, 3]
    assert other.preprocessing() == values


def random_module(*, seed: int, redraw: bool) -> SequenceDataModule:
    sizes = {"num_train": 40, "num_val": 10, "num_test": 10, "num_steps": 5, "num_features": 2}
    return make(Random(**sizes, num_classes=3, seed=seed, redraw=redraw), standardize="none")


def values_of(module: SequenceDataModule, epoch: int) -> torch.Tensor:
    batches = module.train_dataloader()
    batches.set_epoch(epoch)
    return torch.cat([batch.x for batch in batches]).flatten().sort().values


def test_redrawn_sequences_are_a_function_of_seed_and_epoch() -> None:
    module, again, other = (random_module(seed=seed, redraw=True) for seed in (0, 0, 1))
    for epoch in (0, 1, 5):
        assert torch.equal(values_of(module, epoch), values_of(again, epoch))
        assert not torch.equal(values_of(module, epoch), values_of(other, epoch))
    assert not torch.equal(values_of(module, 0), values_of(module, 1))
    assert not torch.equal(values_of(module, 1), values_of(module, 5))


def test_without_redraw_every_epoch_has_the_same_sequences() -> None:
    module = random_module(seed=0, redraw=False)
    assert torch.equal(values_of(module, 0), values_of(module, 5))
    assert torch.equal(values_of(module, 0), values_of(random_module(seed=0, redraw=True), 0))


@pytest.mark.parametrize("held_out", ["val", "test"])
def test_redrawn_sequences_need_a_source_with_all_sets(held_out: str) -> None:
    data = replace(some_data(), redraw=lambda epoch: some_sequences(60, first_id=epoch))
    with pytest.raises(ConfigError, match="redraw=true: the source must provide"):
        make(replace(data, **{held_out: None}))

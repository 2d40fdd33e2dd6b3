"""The in-memory loader: every sequence once, in an order that depends on seed and epoch alone."""

from itertools import chain

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from unrolled.contracts import Sequences
from unrolled.data.batches import Batches
from unrolled.errors import ConfigError


def some_sequences(num: int) -> Sequences:
    x = torch.arange(num * 6.0).reshape(num, 3, 2)
    lengths = torch.arange(num) % 3 + 1
    return Sequences(x=x, lengths=lengths, y=torch.arange(num) % 5, ids=torch.arange(num) + 1000)


def make(
    num: int = 23,
    *,
    batch_size: int = 4,
    drop_last: bool = False,
    shuffle: bool = True,
    bucket_batches: int = 1,
    seed: int = 0,
    rank: int = 0,
    world_size: int = 1,
) -> Batches:
    return Batches(
        some_sequences(num),
        batch_size=batch_size,
        drop_last=drop_last,
        shuffle=shuffle,
        bucket_batches=bucket_batches,
        curriculum_epochs=0,
        seed=seed,
        redraw=None,
        rank=rank,
        world_size=world_size,
    )


def ids_of(batches: Batches, *, epoch: int = 0) -> list[int]:
    batches.set_epoch(epoch)
    return [int(number) for batch in batches for number in batch.ids]


few = settings(max_examples=40)
sizes = st.integers(1, 40)


@few
@given(num=sizes, batch_size=sizes, shuffle=st.booleans(), epoch=st.integers(0, 5))
def test_an_epoch_has_every_sequence_once(
    num: int, batch_size: int, shuffle: bool, epoch: int
) -> None:
    batches = make(num, batch_size=batch_size, shuffle=shuffle)
    assert sorted(ids_of(batches, epoch=epoch)) == list(range(1000, 1000 + num))


@few
@given(num=sizes, batch_size=sizes, shuffle=st.booleans(), world_size=st.integers(1, 4))
@example(num=1, batch_size=1, shuffle=True, world_size=2)  # a rank without a sequence
def test_the_length_is_the_number_of_batches(
    num: int, batch_size: int, shuffle: bool, world_size: int
) -> None:
    batches = make(num, batch_size=batch_size, shuffle=shuffle, world_size=world_size)
    assert len(batches) == len(list(batches))


def test_only_the_last_batch_is_smaller() -> None:
    assert [len(batch.y) for batch in make(23, batch_size=4)] == [4, 4, 4, 4, 4, 3]


def test_a_batch_keeps_each_sequence_together() -> None:
    every = some_sequences(23)
    for batch in make(23):
        rows = batch.ids - 1000
        longest = int(every.lengths[rows].max())
        expected = (every.x[rows, :longest], every.lengths[rows], every.y[rows])
        assert all(map(torch.equal, (batch.x, batch.lengths, batch.y), expected))


def test_without_shuffling_the_order_of_the_set_is_kept() -> None:
    assert ids_of(make(shuffle=False), epoch=3) == list(range(1000, 1023))


def test_the_order_changes_from_epoch_to_epoch() -> None:
    batches = make()
    orders = {tuple(ids_of(batches, epoch=epoch)) for epoch in range(5)}
    assert len(orders) == 5


def test_the_order_changes_from_seed_to_seed() -> None:
    orders = {tuple(ids_of(make(seed=seed))) for seed in range(5)}
    assert len(orders) == 5


def test_epochs_of_neighbouring_seeds_are_not_the_same_orders_shifted() -> None:
    orders = {tuple(ids_of(make(seed=s), epoch=e)) for s in range(6) for e in range(6)}
    assert len(orders) == 36


def test_the_order_is_a_function_of_seed_and_epoch_alone() -> None:
    fresh = make(seed=7)
    expected = ids_of(fresh, epoch=4)
    used = make(seed=7, batch_size=5)
    for epoch in (0, 9, 2):
        ids_of(used, epoch=epoch)
    torch.manual_seed(99)
    assert ids_of(used, epoch=4) == expected


def test_iterating_twice_gives_the_same() -> None:
    batches = make()
    assert ids_of(batches, epoch=2) == ids_of(batches, epoch=2)


def test_iterating_leaves_torchs_generator_alone() -> None:
    before = torch.get_rng_state()
    ids_of(make())
    assert torch.equal(torch.get_rng_state(), before)


def test_an_iterator_asked_for_early_takes_the_epoch_of_its_first_batch() -> None:
    batches = make()
    early = iter(batches)
    batches.set_epoch(3)
    assert [int(n) for batch in early for n in batch.ids] == ids_of(make(), epoch=3)


def test_two_iterators_do_not_disturb_each_other() -> None:
    batches = make()
    one, other = iter(batches), iter(batches)
    pairs = list(zip(one, other, strict=True))
    assert all(torch.equal(a.ids, b.ids) for a, b in pairs)


@few
@given(num=sizes, world_size=st.integers(1, 5))
def test_in_evaluation_the_ranks_share_every_sequence_without_overlap(
    num: int, world_size: int
) -> None:
    shares = [
        ids_of(make(num, shuffle=False, rank=rank, world_size=world_size))
        for rank in range(world_size)
    ]
    assert sorted(chain(*shares)) == list(range(1000, 1000 + num))


@few
@given(num=st.integers(5, 40), world_size=st.integers(1, 5), epoch=st.integers(0, 3))
def test_in_training_the_ranks_divide_the_batches_of_a_single_process(
    num: int, world_size: int, epoch: int
) -> None:
    ranks = [make(num, batch_size=3, rank=n, world_size=world_size) for n in range(world_size)]
    alone = make(num, batch_size=3 * world_size)
    for batches in (*ranks, alone):
        batches.set_epoch(epoch)
    for number, parts in enumerate(zip(*ranks, strict=True)):
        whole = list(alone)[number].ids.tolist()
        divided = [part.ids.tolist() for part in parts]
        assert sorted(chain(*divided)) == sorted(whole)
        assert ranks[0].num_in_batch(number) == len(whole)
    left_out = list(alone)[len(ranks[0]) :]
    assert all(len(batch.y) < world_size for batch in left_out)  # too few for each rank


@pytest.mark.parametrize("shuffle", [True, False])
def test_lightning_is_told_the_epoch_only_where_there_is_an_order(shuffle: bool) -> None:
    batches = make(shuffle=shuffle)
    assert (batches.sampler is batches) == shuffle


# drop_last: whole batches only


@few
@given(num=sizes, batch_size=sizes, shuffle=st.booleans(), world_size=st.integers(1, 3))
def test_without_the_rest_all_batches_have_their_size(
    num: int, batch_size: int, shuffle: bool, world_size: int
) -> None:
    for rank in range(world_size):
        options = {"shuffle": shuffle, "rank": rank, "world_size": world_size}
        whole = make(num, batch_size=batch_size, **options)
        batches = make(num, batch_size=batch_size, drop_last=True, **options)
        counts = [len(batch.y) for batch in batches]
        num_whole = num // (batch_size * world_size)
        mine = whole.num_sequences
        assert counts == ([batch_size] * num_whole if num_whole else [mine] * (mine > 0))
        assert len(batches) == len(counts)
        assert ids_of(batches, epoch=2) == ids_of(whole, epoch=2)[: sum(counts)]


def test_the_rest_that_is_left_out_changes_from_epoch_to_epoch() -> None:
    batches = make(23, batch_size=4, drop_last=True)
    taken = [set(ids_of(batches, epoch=epoch)) for epoch in range(20)]
    assert {len(some) for some in taken} == {20}
    assert set.union(*taken) == set(range(1000, 1023))
    assert len(set(map(frozenset, taken))) > 5


def test_long_sequences_are_left_out_as_often_as_short_ones() -> None:
    batches = make_ragged(23, batch_size=8, bucket_batches=20, drop_last=True)
    longest = int(batches.lengths.argmax()) + 1000
    taken = sum(longest in ids_of(batches, epoch=epoch) for epoch in range(60))
    assert taken > 20  # 16 of 23 sequences are taken


def test_an_epoch_without_the_rest_continues_where_it_was_interrupted() -> None:
    batches = make_ragged(50, batch_size=8, bucket_batches=3, drop_last=True)
    whole = ids_of(batches, epoch=4)
    batches.first_batch = 4
    assert ids_of(batches, epoch=4) == whole[32:48]


# buckets: sequences of similar length together


def make_ragged(
    num: int,
    *,
    batch_size: int,
    bucket_batches: int,
    drop_last: bool = False,
    curriculum_epochs: int = 0,
    seed: int = 0,
    rank: int = 0,
    world_size: int = 1,
) -> Batches:
    lengths = torch.randint(1, 60, (num,), generator=torch.Generator().manual_seed(7))
    sequences = Sequences(
        x=torch.zeros(num, 60, 1),
        lengths=lengths,
        y=torch.zeros(num, dtype=torch.long),
        ids=torch.arange(num) + 1000,
    )
    return Batches(
        sequences,
        batch_size=batch_size,
        drop_last=drop_last,
        shuffle=True,
        bucket_batches=bucket_batches,
        curriculum_epochs=curriculum_epochs,
        seed=seed,
        redraw=None,
        rank=rank,
        world_size=world_size,
    )


@few
@given(num=st.integers(1, 200), batch_size=sizes, bucket_batches=st.integers(1, 9))
def test_an_epoch_in_buckets_has_every_sequence_once_and_whole_batches(
    num: int, batch_size: int, bucket_batches: int
) -> None:
    batches = make_ragged(num, batch_size=batch_size, bucket_batches=bucket_batches)
    counts = [len(batch.y) for batch in batches]
    assert sorted(ids_of(batches)) == list(range(1000, 1000 + num))
    assert counts[:-1] == [batch_size] * (len(batches) - 1)


def test_buckets_leave_less_padding() -> None:
    def padding(bucket_batches: int) -> int:
        batches = make_ragged(400, batch_size=8, bucket_batches=bucket_batches)
        return sum(int((b.x.shape[1] - b.lengths).sum()) for b in batches)

    assert padding(10) < padding(1) / 3


def test_the_order_in_buckets_is_a_function_of_seed_and_epoch() -> None:
    kept = make_ragged(100, batch_size=8, bucket_batches=3, seed=5)
    epochs = [ids_of(kept, epoch=epoch) for epoch in (0, 1, 2)]
    fresh = make_ragged(100, batch_size=8, bucket_batches=3, seed=5)
    assert ids_of(fresh, epoch=2) == epochs[2]
    assert epochs[0] != epochs[1] != epochs[2]


def test_an_epoch_in_buckets_goes_on_where_it_was_interrupted() -> None:
    batches = make_ragged(100, batch_size=8, bucket_batches=3)
    whole = ids_of(batches, epoch=4)
    batches.first_batch = 5
    assert ids_of(batches, epoch=4) == whole[5 * 8 :]


# a curriculum: the short ones first


def longest_of(batches: Batches, *, epoch: int) -> int:
    batches.set_epoch(epoch)
    return max(int(batch.lengths.max()) for batch in batches)


def test_a_curriculum_lets_longer_sequences_in_from_epoch_to_epoch() -> None:
    batches = make_ragged(400, batch_size=8, bucket_batches=1, curriculum_epochs=4)
    shortest, longest = int(batches.lengths.min()), int(batches.lengths.max())
    limits = [shortest * (longest / shortest) ** (epoch / 4) for epoch in range(5)]
    expected = [max(t for t in batches.lengths.tolist() if t <= limit) for limit in limits]
    assert [longest_of(batches, epoch=epoch) for epoch in range(5)] == expected
    assert expected[0] == shortest < expected[1] < expected[2] < expected[3] < expected[4]


@few
@given(num=st.integers(3, 80), batch_size=sizes, epoch=st.integers(0, 6), world=st.integers(1, 3))
def test_an_epoch_of_a_curriculum_has_as_many_batches_and_all_that_are_short_enough(
    num: int, batch_size: int, epoch: int, world: int
) -> None:
    ranks = [
        make_ragged(
            num,
            batch_size=batch_size,
            bucket_batches=3,
            curriculum_epochs=5,
            rank=rank,
            world_size=world,
        )
        for rank in range(world)
    ]
    taken = [n - 1000 for batches in ranks for n in ids_of(batches, epoch=epoch)]
    assert [len(list(batches)) for batches in ranks] == [len(batches) for batches in ranks]
    assert len(taken) == sum(batches.num_sequences for batches in ranks) > num - world
    limit = int(ranks[0].lengths[taken].max())
    short = int((ranks[0].lengths <= limit).sum())
    counts = torch.tensor([taken.count(row) for row in set(taken)])
    assert int(counts.max()) <= -(-num // short)  # none is seen twice more often than another
    assert len(counts) >= min(short, len(taken))


def test_after_its_curriculum_an_epoch_is_as_if_there_had_been_none() -> None:
    plain = make_ragged(100, batch_size=8, bucket_batches=3)
    with_one = make_ragged(100, batch_size=8, bucket_batches=3, curriculum_epochs=2)
    assert ids_of(with_one, epoch=2) == ids_of(plain, epoch=2)
    assert ids_of(with_one, epoch=1) != ids_of(plain, epoch=1)


def test_a_curriculum_is_a_function_of_seed_and_epoch_and_goes_on_within_an_epoch() -> None:
    def fresh(seed: int = 5) -> Batches:
        return make_ragged(100, batch_size=8, bucket_batches=3, curriculum_epochs=4, seed=seed)

    used = fresh()
    epochs = [ids_of(used, epoch=epoch) for epoch in range(4)]
    assert ids_of(fresh(), epoch=2) == epochs[2]
    assert ids_of(fresh(seed=6), epoch=2) != epochs[2]
    used.first_batch = 5
    assert ids_of(used, epoch=2) == epochs[2][5 * 8 :]


def test_a_curriculum_of_equal_lengths_is_refused() -> None:
    sequences = Sequences.of_equal_length(
        torch.zeros(4, 7, 1), torch.zeros(4, dtype=torch.long), first_id=0
    )
    settings = {"batch_size": 2, "bucket_batches": 1, "seed": 0, "rank": 0, "world_size": 1}
    settings |= {"redraw": None, "drop_last": False}
    with pytest.raises(ConfigError, match=r"curriculum_epochs=3.*all have 7 steps"):
        Batches(sequences, shuffle=True, curriculum_epochs=3, **settings)
    Batches(sequences, shuffle=False, curriculum_epochs=3, **settings)  # val and test have no order

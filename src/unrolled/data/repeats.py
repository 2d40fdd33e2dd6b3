"""Finds sequences that occur in two sets with the same values, whatever their ids and labels."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool
from torch import Tensor

from unrolled.contracts import real_steps
from unrolled.data.selection import BLOCK_VALUES, Selection

Keys = npt.NDArray[np.int64]
Rows = npt.NDArray[np.intp]


def repeated(sets: Sequence[Selection]) -> list[Bool[Tensor, " n"]]:
    """Return for each set which of its sequences have the same values as one of an earlier set.

    Sequences are found by a 64-bit hash, and then compared value by value.
    """
    width = max(int(one.sequences.lengths.max()) * one.num_features for one in sets)
    factors = np.random.default_rng(0).integers(1, 2**62, size=width + 1)
    keys = _keys(sets, factors)
    every = [np.zeros(len(part), dtype=bool) for part in sets]
    in_order = np.sort(np.concatenate(keys))
    twice = np.unique(in_order[1:][in_order[1:] == in_order[:-1]])
    if not len(twice):
        return [torch.from_numpy(found) for found in every]
    earlier: list[tuple[Selection, Keys, Rows]] = []
    for part, part_keys, found in zip(sets, keys, every, strict=True):
        rows = np.flatnonzero(np.isin(part_keys, twice))
        for other, other_keys, other_rows in earlier:
            places = np.searchsorted(other_keys, part_keys[rows]).clip(max=len(other_keys) - 1)
            is_pair = other_keys[places] == part_keys[rows]
            pairs = rows[is_pair], other_rows[places[is_pair]]
            found[pairs[0]] |= _are_same(part, pairs[0], other, pairs[1])
        if len(rows):
            distinct, first = np.unique(part_keys[rows], return_index=True)
            earlier.append((part, distinct, rows[first]))
    return [torch.from_numpy(found) for found in every]


def _keys(sets: Sequence[Selection], factors: Keys) -> list[Keys]:
    """Return a hash of each sequence of each set.

    Sequences are hashed in the order in which they are in memory, which is several times as fast.
    """
    sources = {id(part.sequences): Selection.of_all(part.sequences) for part in sets}
    hashes = {name: _hashes(source, factors) for name, source in sources.items()}
    return [hashes[id(part.sequences)][part.rows.numpy()] for part in sets]


def _hashes(part: Selection, factors: Keys) -> Keys:
    """Return a hash of the real steps of each sequence: a random linear function of their bits."""
    hashes = []
    for block in part.blocks():
        x = block.x
        if bool((block.lengths < x.shape[1]).any()):
            x = x.masked_fill(~real_steps(block.lengths, x.shape[1])[:, :, None], 0.0)
        bits = x.reshape(len(x), -1).contiguous().numpy().view(np.int64)
        bits = bits ^ (bits >> 32)  # the low bits of small whole numbers are all zero
        hashes.append(bits @ factors[: bits.shape[1]] + block.lengths.numpy() * factors[-1])
    return np.concatenate(hashes)


def _are_same(
    one: Selection, rows: Rows, other: Selection, other_rows: Rows
) -> npt.NDArray[np.bool_]:
    """Return whether sequences of two sets have the same real steps, pair by pair."""
    same = []
    at_once = max(1, BLOCK_VALUES // (one.sequences.x.shape[1] * one.num_features))
    for start in range(0, len(rows), at_once):
        pair = [
            part.sequences.take(part.rows[torch.from_numpy(some[start : start + at_once])])
            for part, some in ((one, rows), (other, other_rows))
        ]
        width = min(block.x.shape[1] for block in pair)
        x, y = (block.x[:, :width] for block in pair)
        equal = ((x == y) | (x.isnan() & y.isnan())).all(dim=2)
        equal |= ~real_steps(pair[0].lengths, width)
        same.append((equal.all(dim=1) & (pair[0].lengths == pair[1].lengths)).numpy())
    return np.concatenate(same) if same else np.zeros(0, dtype=bool)

"""Finds sequences that occur in two sets with the same values, whatever their ids and labels."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool
from torch import Tensor

from unrolled.contracts import real_steps
from unrolled.data.selection import Selection


def repeated(sets: Sequence[Selection]) -> list[Bool[Tensor, " n"]]:
    """Return for each set which of its sequences have the same values as one of an earlier set.

    Sequences are found by a 64-bit hash, and then compared value by value.
    """
    width = max(int(one.lengths.max()) * one.num_features for one in sets)
    factors = np.random.default_rng(0).integers(1, 2**62, size=width + 1)
    earlier: list[tuple[Selection, npt.NDArray[np.int64], npt.NDArray[np.intp]]] = []
    every = []
    for part in sets:
        keys = _hashes(part, factors)
        found = np.zeros(len(part), dtype=bool)
        for other, other_keys, rows in earlier:
            places = np.searchsorted(other_keys, keys).clip(max=len(other_keys) - 1)
            for row in np.flatnonzero(other_keys[places] == keys):
                found[row] |= _is_same(part, int(row), other, int(rows[places[row]]))
        earlier.append((part, *np.unique(keys, return_index=True)))
        every.append(torch.from_numpy(found))
    return every


def _hashes(part: Selection, factors: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
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


def _is_same(one: Selection, row: int, other: Selection, other_row: int) -> bool:
    row, other_row = int(one.rows[row]), int(other.rows[other_row])
    length = int(one.sequences.lengths[row])
    if length != int(other.sequences.lengths[other_row]):
        return False
    x, y = one.sequences.x[row, :length], other.sequences.x[other_row, :length]
    return np.array_equal(x.numpy(), y.numpy(), equal_nan=True)

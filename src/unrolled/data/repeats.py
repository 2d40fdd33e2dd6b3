"""Finds sequences that occur in two sets with the same values, whatever their ids and labels."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool
from torch import Tensor

from unrolled.contracts import Sequences, real_steps

BLOCK_VALUES = 2**18  # hashed at once


def repeated(part: Sequences, others: Sequence[Sequences]) -> Bool[Tensor, " n"]:
    """Return which sequences of a set have the same values as a sequence of another set.

    Sequences are found by a 64-bit hash, and then compared value by value.
    """
    width = max(one.x[0].numel() for one in (part, *others))
    factors = np.random.default_rng(0).integers(1, 2**62, size=width + 1)
    keys = _hashes(part, factors)
    found = np.zeros(len(part), dtype=bool)
    for other in others:
        other_keys, rows = np.unique(_hashes(other, factors), return_index=True)
        places = np.searchsorted(other_keys, keys).clip(max=len(other_keys) - 1)
        for row in np.flatnonzero(other_keys[places] == keys):
            found[row] |= _is_same(part, int(row), other, int(rows[places[row]]))
    return torch.from_numpy(found)


def _hashes(part: Sequences, factors: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return a hash of the real steps of each sequence: a random linear function of their bits."""
    width = part.x[0].numel()
    size = max(1, BLOCK_VALUES // width)
    hashes: npt.NDArray[np.int64] = part.lengths.numpy() * factors[-1]
    padded = bool((part.lengths < part.x.shape[1]).any())
    for start in range(0, len(part), size):
        x = part.x[start : start + size]
        if padded:
            real = real_steps(part.lengths[start : start + size], x.shape[1])
            x = x.masked_fill(~real[:, :, None], 0.0)
        bits = x.reshape(len(x), -1).contiguous().numpy().view(np.int32)
        hashes[start : start + size] += bits.astype(np.int64) @ factors[:width]
    return hashes


def _is_same(one: Sequences, row: int, other: Sequences, other_row: int) -> bool:
    length = int(one.lengths[row])
    values = one.x[row, :length].numpy(), other.x[other_row, :length].numpy()
    return length == int(other.lengths[other_row]) and np.array_equal(*values, equal_nan=True)

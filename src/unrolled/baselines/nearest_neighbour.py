"""Nearest neighbour with Euclidean distance, the oldest baseline of the UCR archive.

Sequences of different lengths: the shorter one is extended with zeros to the length of the longer
one. Zero is the training mean of every feature, because sequences are standardised before.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unrolled.contracts import real_steps

MAX_DISTANCES = 4_000_000  # computed at once, 32 MB


def nearest_neighbour(
    train_x: Float[Tensor, "n t d"],
    *,
    train_lengths: Int[Tensor, " n"],
    train_y: Int[Tensor, " n"],
    x: Float[Tensor, "m t2 d"],
    lengths: Int[Tensor, " m"],
) -> Int[Tensor, " m"]:
    """Return the class of the nearest training sequence. Ties go to the first one.

    train_x, x: standardised with the statistics of the training set. Padding is ignored.
    train_lengths, lengths: real steps, at least 1.
    train_y: classes.
    """
    num_steps = max(train_x.shape[1], x.shape[1])
    known = _rows(train_x, train_lengths, num_steps)
    # a chunk also holds at most as many values as the training set
    chunk = max(1, min(MAX_DISTANCES // len(known), len(known)))
    nearest = [
        # without the expansion |a|^2 - 2ab + |b|^2, which loses small distances to rounding
        torch.cdist(part, known, compute_mode="donot_use_mm_for_euclid_dist").argmin(dim=1)
        for part in (
            _rows(x[first : first + chunk], lengths[first : first + chunk], num_steps)
            for first in range(0, len(x), chunk)
        )
    ]
    return train_y[torch.cat(nearest)]


def _rows(
    x: Float[Tensor, "n t d"], lengths: Int[Tensor, " n"], num_steps: int
) -> Float[Tensor, "n k"]:
    real = real_steps(lengths, x.shape[1])
    rows = x.new_zeros(len(x), num_steps, x.shape[2], dtype=torch.float64)
    rows[:, : x.shape[1]] = x.double().masked_fill(~real[:, :, None], 0.0)
    return rows.flatten(1)

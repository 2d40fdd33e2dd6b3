"""Finds features that give the label away, such as row numbers and copies of the label.

A feature separates the classes if the values of its single steps do: each class has its own range
of values, or, for a feature that is constant within sequences, each value belongs to one class.
A feature of which this can be expected by chance is not reported, and neither is anything if every
feature separates the classes, because the data set is then easy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import lgamma, log
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor

from unrolled.contracts import Feature, real_steps
from unrolled.data.selection import Selection

MAX_VALUES = 10_000_000  # steps times features; a larger set is not searched
NUM_SAMPLED = 2000  # sequences that show for most features that they give nothing away
LARGEST_CHANCE = 1e-3  # of at least one report, if no feature depends on the label


@dataclass(frozen=True)
class Ranges:
    """Smallest and largest value of each feature in each sequence.

    A feature without any value in a sequence is infinite there.
    """

    low: Float[Tensor, "n d"]
    high: Float[Tensor, "n d"]

    @classmethod
    def of(cls, selection: Selection) -> "Ranges":
        """Return the ranges over the real steps that are not missing."""
        lows, highs = [], []
        for block in selection.blocks():
            there = real_steps(block.lengths, block.x.shape[1])[:, :, None] & ~block.x.isnan()
            lows.append(torch.where(there, block.x, torch.inf).amin(dim=1))
            highs.append(torch.where(there, block.x, -torch.inf).amax(dim=1))
        low, high = torch.cat(lows), torch.cat(highs)
        return cls(low, torch.where(high < low, torch.inf, high))


def leak_warnings(train: Selection, features: Sequence[Feature]) -> list[str]:
    """Return a line for each column that is likely to give the label away.

    train: the training set, before standardisation.
    features: (d,).

    Returns: nothing for a set of more than MAX_VALUES values, or one whose labels change within
        sequences.
    """
    num_values = int(train.lengths.sum()) * train.num_features
    if num_values > MAX_VALUES or train.sequences.step_y is not None:
        return []
    if len(train) > 2 * NUM_SAMPLED and not _may_leak(train):
        return []
    ranges = Ranges.of(train)
    y = train.y.numpy()
    chance = log(LARGEST_CHANCE / (2 * len(features)))  # two rules for each feature
    separates = _have_own_ranges(ranges, train.y) & (_log_chance_of_ranges(y) < chance)
    constant = _are_constant(ranges) & bool(train.lengths.max() > 1)
    columns: dict[str, list[int]] = {}
    for number, feature in enumerate(features):
        columns.setdefault(feature.column, []).append(number)
    found = {
        column: what
        for column, numbers in columns.items()
        if (
            what := "the classes"
            if separates[numbers].any()
            else constant[numbers].all()
            and _separated_by_code(ranges.low[:, numbers].numpy(), y, chance)
        )
    }
    if len(found) == len(columns):
        return []
    return [
        f"feature {column!r}: its value alone separates {what} in the training set, so it may be "
        f"derived from the label; to leave it out, {features[columns[column][0]].leave_out}"
        for column, what in found.items()
    ]


def _may_leak(train: Selection) -> bool:
    """Return False if some of the sequences show that no feature gives the label away.

    Ranges that overlap in a sample overlap in the whole set, and a feature that varies within a
    sequence is not constant.
    """
    rows = train.rows[:: len(train) // NUM_SAMPLED]
    sample = Selection(train.sequences, rows)
    if len(torch.unique(sample.y)) < 2:
        return True
    ranges = Ranges.of(sample)
    return bool((_have_own_ranges(ranges, sample.y) | _are_constant(ranges)).any())


def _are_constant(ranges: Ranges) -> npt.NDArray[np.bool_]:
    """Return which features are constant within each sequence, (d,)."""
    return np.asarray((ranges.low == ranges.high).all(dim=0))


def _have_own_ranges(ranges: Ranges, y: Int[Tensor, " n"]) -> npt.NDArray[np.bool_]:
    """Return of which features the values of each class are apart from all others, (d,)."""
    classes = [y == number for number in torch.unique(y)]
    low = torch.stack([ranges.low[rows].amin(dim=0) for rows in classes])  # (c, d)
    high = torch.stack([ranges.high[rows].amax(dim=0) for rows in classes])
    low, order = low.sort(dim=0)
    apart = high.gather(0, order)[:-1] < low[1:]
    return np.asarray(apart.all(dim=0)) & (len(classes) > 1)


def _separated_by_code(
    values: npt.NDArray[np.floating[Any]], y: npt.NDArray[np.int64], chance: float
) -> str:
    """Return "the classes", "a class" or "", whichever have values of their own.

    values: of a column that is constant within sequences, (n, k), k > 1 for its words.
    chance: logarithm of the largest probability that is not put down to chance.
    """
    codes = np.unique(values, axis=0, return_inverse=True)[1].reshape(-1)
    pairs = np.unique(np.stack([codes, y]), axis=1)
    num_classes = np.bincount(pairs[0])  # of each value
    num_values = len(num_classes)
    classes = np.unique(y)
    own = [
        number
        for number in classes
        if (num_classes[codes[y == number]] == 1).all()
        and _log_chance_of_code(y == number, num_values) < chance
    ]
    if not own:
        return ""
    return "the classes" if len(own) == len(classes) else "a class"


def _log_chance_of_ranges(y: npt.NDArray[np.int64]) -> float:
    """Return the log probability that each class has its own range if labels were shuffled.

    Of the n! / (n_1! ... n_c!) ways to assign the labels to the sequences in the order of their
    values, at most c! keep each class together.
    """
    counts = np.unique(y, return_counts=True)[1].tolist()
    return lgamma(len(counts) + 1) + sum(lgamma(n + 1) for n in counts) - lgamma(len(y) + 1)


def _log_chance_of_code(is_class: npt.NDArray[np.bool_], num_values: int) -> float:
    """Return the log probability that a class has its own values if labels were shuffled.

    Of the ways to choose the sequences of the class, at most 2^k are unions of the k values. There
    are as many classes that could be found as values, at most.
    """
    num, total = int(is_class.sum()), len(is_class)
    ways = lgamma(total + 1) - lgamma(num + 1) - lgamma(total - num + 1)
    return num_values * log(2) + log(num_values) - ways

"""Prediction sets: their rank, and the coverage on sequences that were held out."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from unrolled.errors import DataError
from unrolled.prediction.conformal import fit_sets


def draw(num: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities (n, 4) of a classifier that is far too sure, and true classes."""
    logits = 1.5 * rng.normal(size=(num, 4))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y = (rng.random((num, 1)) > true.cumsum(axis=1)).sum(axis=1).clip(max=3)
    sure = np.exp(3 * logits) / np.exp(3 * logits).sum(axis=1, keepdims=True)
    return sure.astype(np.float32), y


@pytest.mark.parametrize(("num", "coverage", "rank"), [(9, 0.9, 9), (99, 0.9, 90), (20, 0.8, 17)])
def test_the_rank_is_the_one_of_finite_samples(num: int, coverage: float, rank: int) -> None:
    p = np.linspace(0.1, 0.9, num, dtype=np.float32)
    sets = fit_sets(np.stack([p, 1 - p], axis=1), np.zeros(num, dtype=np.int64), coverage=coverage)
    assert sets.rank == rank
    assert sets.smallest == p[num - rank]  # rank of them have at least this probability


@pytest.mark.parametrize(("coverage", "needed"), [(0.9, 9), (0.95, 19), (0.5, 1)])
def test_too_few_sequences_are_refused(coverage: float, needed: int) -> None:
    p, y = draw(needed, np.random.default_rng(0))
    fit_sets(p, y, coverage=coverage)
    with pytest.raises(DataError, match=f"needs at least {needed} calibration sequences"):
        fit_sets(p[1:], y[1:], coverage=coverage)


@pytest.mark.parametrize("coverage", [0.7, 0.9])
def test_the_coverage_holds_on_sequences_that_were_held_out(coverage: float) -> None:
    """Each repetition draws 40 calibration sequences and a new one, as the guarantee does.

    The number of new sequences whose set has their class is binomial, and outside these bounds by
    chance once in 5,000 seeds. Without the most probable class, the probability is k / (n + 1).
    """
    num, calibration = 1500, 40
    p, y = draw(num * (calibration + 1), np.random.default_rng(3))
    p, y = p.reshape(num, -1, 4), y.reshape(num, -1)
    in_set = at_least_smallest = 0
    for some, classes in zip(p, y, strict=True):
        sets = fit_sets(some[1:], classes[1:], coverage=coverage)
        in_set += bool(sets.contains(some[:1])[0, classes[0]])
        at_least_smallest += bool(some[0, classes[0]] >= sets.smallest)

    assert in_set >= binom.ppf(1e-4, num, coverage)
    exact = binom(num, math.ceil(41 * coverage) / 41)
    assert exact.ppf(1e-4) <= at_least_smallest <= exact.ppf(1 - 1e-4)


def test_the_range_of_the_coverage_is_that_of_one_calibration_file() -> None:
    p, y = draw(99, np.random.default_rng(4))
    low, high = fit_sets(p, y, coverage=0.9).coverage_range()
    random = np.random.default_rng(5)  # the coverage is the 90th smallest of 99 uniform numbers
    coverages = np.sort(random.random((20_000, 99)), axis=1)[:, 89]
    assert (low, high) == pytest.approx(np.quantile(coverages, [0.05, 0.95]), abs=2e-3)


def test_a_set_always_has_the_most_probable_class() -> None:
    p = np.array([[0.9, 0.1]] * 9, dtype=np.float32)
    sets = fit_sets(p, np.zeros(9, dtype=np.int64), coverage=0.5)
    assert sets.contains(np.array([[0.4, 0.6]], dtype=np.float32)).tolist() == [[False, True]]

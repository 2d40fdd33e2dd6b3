"""Means and intervals, against numbers that were worked out by other means."""

import random

import numpy as np
import pytest
from scipy import stats

from unrolled.reports.statistics import paired_difference, summarize


def test_interval_is_that_of_a_t_test():
    values = [0.971, 0.964, 0.975, 0.969]

    summary = summarize(values)

    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (summary.low, summary.high) == pytest.approx((expected.low, expected.high))
    assert summary.deviation == pytest.approx(np.std(values, ddof=1))
    assert (summary.smallest, summary.largest) == (0.964, 0.975)


def test_a_single_run_has_no_spread():
    summary = summarize([0.5])

    assert (summary.n, summary.mean, summary.deviation, summary.low) == (1, 0.5, None, None)


def test_order_of_the_runs_does_not_change_a_digit():
    values = [random.Random(n).random() for n in range(50)]

    assert summarize(values) == summarize(sorted(values))


def test_paired_difference_takes_shared_seeds_only():
    ours, theirs = {1: 0.9, 2: 0.8, 5: 0.1}, {1: 0.7, 2: 0.7, 3: 0.2}

    summary = paired_difference(ours, theirs)

    assert summary is not None
    assert (summary.n, summary.mean) == (2, pytest.approx(0.15))
    expected = stats.ttest_rel([0.9, 0.8], [0.7, 0.7]).confidence_interval(0.95)
    assert (summary.low, summary.high) == pytest.approx((expected.low, expected.high))
    assert paired_difference({1: 0.5}, {2: 0.5}) is None

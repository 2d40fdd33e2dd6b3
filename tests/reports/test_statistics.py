"""Means and intervals, against numbers that were worked out by other means."""

import random

import numpy as np
import pytest
from scipy import stats

from unrolled.reports.statistics import paired_difference, summarize, summarize_scores


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

    summary = paired_difference(ours, theirs, metric="test/accuracy")

    assert summary is not None
    assert (summary.n, summary.mean) == (2, pytest.approx(0.15))
    expected = stats.ttest_rel([0.9, 0.8], [0.7, 0.7]).confidence_interval(0.95)
    assert (summary.low, summary.high) == pytest.approx((expected.low, expected.high))
    assert paired_difference({1: 0.5}, {2: 0.5}, metric="val/loss") is None


def test_interval_of_a_proportion_stays_between_0_and_1():
    summary = summarize_scores([0.90, 0.94], metric="test/accuracy")
    loss = summarize_scores([0.90, 0.94], metric="test/loss")

    assert summary.low == pytest.approx(0.92 - 12.7062 * 0.02, abs=1e-5)
    assert summary.high == 1.0
    assert loss.high == pytest.approx(0.92 + 12.7062 * 0.02, abs=1e-5)


def test_interval_of_a_difference_of_proportions_stays_between_minus_1_and_1():
    summary = paired_difference({1: 0.9, 2: 0.1}, {1: 0.1, 2: 0.8}, metric="test/accuracy")

    assert summary is not None
    assert (summary.low, summary.high) == (-1.0, 1.0)

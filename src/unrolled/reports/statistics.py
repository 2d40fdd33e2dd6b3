"""Means over repeated runs, how sure they are, and differences of runs that share a seed.

Intervals use Student's t: the runs are taken as independent draws. Seeds of one fold share
their data, and folds share most of it, so that over folds an interval is an approximation.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.special import stdtrit

from unrolled.config.values import direction

CONFIDENCE = 0.95
PROPORTIONS = ("accuracy", "f1", "calibration_error")  # scores between 0 and 1, printed in %


@dataclass(frozen=True)
class ScoreSummary:
    """Scores of the runs of one setting.

    deviation: of single runs (n - 1); None for a single run.
    low, high: 95 % interval of the mean; None for a single run.
    """

    n: int
    mean: float
    deviation: float | None
    low: float | None
    high: float | None
    smallest: float
    largest: float


def summarize(
    values: Sequence[float], *, lowest: float = -math.inf, highest: float = math.inf
) -> ScoreSummary:
    """Return the summary of at least one value; the order of the values does not matter.

    lowest, highest: bounds of the mean; the interval is cut off there.
    """
    n, mean = len(values), statistics.fmean(values)
    if n == 1:
        return ScoreSummary(1, mean, None, None, None, mean, mean)
    deviation = statistics.stdev(values)
    half = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * deviation / math.sqrt(n)  # Student's t
    low, high = max(mean - half, lowest), min(mean + half, highest)
    return ScoreSummary(n, mean, deviation, low, high, min(values), max(values))


def summarize_scores(values: Sequence[float], *, metric: str) -> ScoreSummary:
    """Return the summary of scores; the interval of a proportion stays between 0 and 1."""
    if is_proportion(metric):
        return summarize(values, lowest=0.0, highest=1.0)
    return summarize(values)


def wilson_interval(num_correct: int, num: int) -> tuple[float, float]:
    """Return the 95 % interval of a proportion (Wilson 1927) for independent draws."""
    from scipy.stats import binomtest  # late: it takes longer to import than the rest

    interval = binomtest(num_correct, num).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def paired_difference(
    ours: Mapping[Any, float], theirs: Mapping[Any, float], *, metric: str
) -> ScoreSummary | None:
    """Return the summary of ours - theirs over the seeds that both have; None if there are none.

    The interval of differences between proportions stays between -1 and 1.
    """
    shared = ours.keys() & theirs.keys()
    bound = 1.0 if is_proportion(metric) else math.inf
    differences = [ours[key] - theirs[key] for key in shared]
    return summarize(differences, lowest=-bound, highest=bound) if shared else None


def is_loss(metric: str) -> bool:
    """Return whether a lower score is better."""
    return direction(metric) == "min"


def is_proportion(metric: str) -> bool:
    """Return whether a score is a proportion, such as val/accuracy."""
    return metric.endswith(PROPORTIONS)

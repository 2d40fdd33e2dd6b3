"""Means over repeated runs, how sure they are, and differences of runs that share a seed.

Intervals are those of Student's t: the runs are taken as independent draws. Seeds of one fold share
their data, and folds share most of it, so that over folds an interval is an approximation.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.special import stdtrit

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Summary:
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


def summarize(values: Sequence[float]) -> Summary:
    """Return the summary of at least one value; the order of the values does not matter."""
    n, mean = len(values), statistics.fmean(values)
    if n == 1:
        return Summary(1, mean, None, None, None, mean, mean)
    deviation = statistics.stdev(values)
    half = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * deviation / math.sqrt(n)  # Student's t
    return Summary(n, mean, deviation, mean - half, mean + half, min(values), max(values))


def paired_difference(ours: Mapping[Any, float], theirs: Mapping[Any, float]) -> Summary | None:
    """Return the summary of ours - theirs over the seeds that both have; None if there are none."""
    shared = ours.keys() & theirs.keys()
    return summarize([ours[key] - theirs[key] for key in shared]) if shared else None


def is_loss(metric: str) -> bool:
    """Return whether less of it is better."""
    return metric.endswith(("loss", "error"))

"""Digits and axes on which different numbers look different."""

import itertools
import math
from collections.abc import Iterable

MOST = 17  # significant digits, which tell any two numbers in float64 apart
EXACT = 2  # significant digits of a difference
FLAT = 0.1  # a line that uses a smaller share of an axis looks flat


def num_digits(values: Iterable[float], *, least: int) -> int:
    """Return with how many significant digits to print values that are compared, least to 17.

    Two digits of each difference are visible. For example, 4,999,984 and 5,000,008 need eight
    digits. NaN and infinity do not count.
    """
    finite = sorted({float(value) for value in values if math.isfinite(value)})
    digits = least
    for low, high in itertools.pairwise(finite):
        level = math.log10(max(abs(low), abs(high))) - math.log10(high - low)
        digits = max(digits, math.ceil(level) + EXACT)
    return min(digits, MOST)


def num_flat(ranges: Iterable[tuple[float, float]]) -> int:
    """Return how many features would look flat on an axis that all of them share.

    ranges: smallest and largest value of each feature. A constant feature is flat on any axis and
        does not count, and neither does one without a finite value.
    """
    known = [pair for pair in ranges if all(map(math.isfinite, pair))]
    if not known:
        return 0
    width = max(high for _, high in known) - min(low for low, _ in known)
    return sum(0 < high - low < FLAT * width for low, high in known)

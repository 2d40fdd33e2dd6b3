"""How many digits numbers need so that different ones look different."""

import itertools
import math
from collections.abc import Iterable

MOST = 17  # significant digits, which tell any two numbers in float64 apart
EXACT = 2  # significant digits of a difference


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

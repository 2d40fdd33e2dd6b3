"""Numbers that are printed next to each other differ where their values do."""

import math
from itertools import pairwise

import pytest

from unrolled.rounding import num_digits

CASES = {
    "near each other at a high level": ([4_999_984.0, 5_000_008.0], 8),
    "the least is enough": ([-1.471, 1.296, -1396.0, 1686.0], 4),
    "equal": ([5e6, 5e6], 4),
    "missing and infinite": ([math.nan, 1.0, math.inf], 4),
    "neighbours in float64": ([1.0, math.nextafter(1.0, 2.0)], 17),
}


@pytest.mark.parametrize(("values", "digits"), CASES.values(), ids=CASES)
def test_the_digits_show_each_difference(values: list[float], digits: int) -> None:
    assert num_digits(values, least=4) == digits


def test_different_numbers_look_different() -> None:
    values = [sign * 3.7**n * (1 + 10.0**-m) for sign in (-1, 1) for n in (-9, 8) for m in range(9)]
    for low, high in pairwise(values):
        digits = num_digits((low, high), least=1)
        assert f"{low:.{digits}g}" != f"{high:.{digits}g}"

"""Numbers that are printed next to each other differ where their values do."""

import math
from itertools import pairwise

import pytest

from unrolled.scales import num_digits, num_flat

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


def test_a_feature_that_uses_little_of_a_shared_axis_is_flat_unless_it_is_constant() -> None:
    assert num_flat([(0, 1), (-3, 3)]) == 0
    assert num_flat([(0, 1), (5e6, 5e6 + 1)]) == 2
    assert num_flat([(0, 0), (-3, 3), (math.nan, math.nan)]) == 0

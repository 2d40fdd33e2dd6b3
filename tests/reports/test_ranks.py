"""Ranks and tests over data sets, compared with Demšar (2006), with scipy and by hand."""

import numpy as np
import pytest
from scipy.stats import PermutationMethod, wilcoxon

from unrolled.reports.ranks import (
    LARGEST_EXACT,
    LEVEL,
    Pair,
    compare_pairs,
    fewest_data_sets,
    groups,
    mean_ranks,
    signed_rank_test,
)

# AUC of four variants of C4.5 on 14 data sets: Demšar (2006), table 6. Two values in the
# row of 0.97501 are equal there after rounding, but have different ranks.
NAMES = ("C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf")
AUC = """
0.763 0.768 0.771 0.798
0.599 0.591 0.590 0.569
0.954 0.971 0.968 0.967
0.628 0.661 0.654 0.657
0.882 0.888 0.886 0.898
0.936 0.931 0.916 0.931
0.661 0.668 0.609 0.685
0.583 0.583 0.563 0.625
0.775 0.838 0.866 0.875
1.000 1.000 1.000 1.000
0.940 0.962 0.965 0.962
0.619 0.666 0.614 0.669
0.972 0.981 0.97501 0.975
0.957 0.978 0.946 0.970
"""
DEMSAR = dict(zip(NAMES, np.array(AUC.split(), float).reshape(14, 4).T.tolist(), strict=True))


def test_mean_ranks_are_the_ones_of_the_paper() -> None:
    found = mean_ranks(DEMSAR, is_loss=False)

    assert list(found) == ["C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"]
    assert [round(rank, 3) for rank in found.values()] == [1.964, 2.000, 2.893, 3.143]


def test_the_signed_ranks_are_the_ones_of_the_paper() -> None:
    """Two classifiers of table 2 have the sums of ranks 93 and 12, which is significant."""
    differences = [b - a for a, b in zip(DEMSAR["C4.5"], DEMSAR["C4.5+m"], strict=True)]

    found = wilcoxon(differences, zero_method="zsplit")

    assert found.statistic == 12
    assert signed_rank_test([round(d, 6) for d in differences]) < 0.01


def test_a_lower_loss_has_the_better_rank() -> None:
    found = mean_ranks({"a": [0.3, 0.2], "b": [0.1, 0.1]}, is_loss=True)

    assert found == {"b": 1.0, "a": 2.0}
    (pair,) = compare_pairs({"a": [0.3, 0.2], "b": [0.1, 0.1]}, order=list(found), is_loss=True)
    assert (pair.first, pair.wins, pair.losses) == ("b", 2, 0)


def test_float32_and_float64_of_one_score_are_equal() -> None:
    scores = {"a": [float(np.float32(149 / 150)), 0.5], "b": [149 / 150, 0.5]}

    assert mean_ranks(scores, is_loss=False) == {"a": 1.5, "b": 1.5}
    (pair,) = compare_pairs(scores, order=["a", "b"], is_loss=False)
    assert (pair.wins, pair.ties, pair.losses) == (0, 2, 0)


@pytest.mark.parametrize("num", [5, 9, LARGEST_EXACT, LARGEST_EXACT + 6])
def test_without_equal_differences_the_test_is_the_exact_one_of_scipy(num: int) -> None:
    differences = np.random.default_rng(num).normal(loc=0.3, size=num)

    expected = wilcoxon(differences, method="exact").pvalue

    assert signed_rank_test(list(differences)) == pytest.approx(expected)


@pytest.mark.parametrize(
    "differences", [[1, 1, 1, 2, -3, 4, 4], [0, 0, 1, 2, -3, 4], [0, 1, -1, 1, 2, 2], [0, 0, 0]]
)
def test_equal_and_zero_differences_are_counted_as_by_permutations(differences: list[int]) -> None:
    exact = PermutationMethod(n_resamples=2**7)
    expected = wilcoxon(np.array(differences, float), zero_method="zsplit", method=exact).pvalue

    assert signed_rank_test([float(d) for d in differences]) == pytest.approx(expected)


@pytest.mark.parametrize("num_methods", [2, 3, 5, 10])
def test_the_fewest_data_sets_are_the_fewest_that_can_show_a_difference(num_methods: int) -> None:
    num = fewest_data_sets(num_methods)
    num_pairs = num_methods * (num_methods - 1) // 2

    assert num_pairs * signed_rank_test([1.0 + n for n in range(num)]) <= LEVEL
    assert num_pairs * signed_rank_test([1.0 + n for n in range(num - 1)]) > LEVEL


def test_holm_multiplies_by_the_pairs_that_are_left() -> None:
    steps = np.arange(8) / 100
    scores = {"a": 0.9 + steps / 2, "b": 0.8 - steps, "c": 0.7 + steps * np.tile([1, -1], 4)}
    scores = {name: list(values) for name, values in scores.items()}
    pairs = compare_pairs(scores, order=["a", "b", "c"], is_loss=False)

    p_values = [pair.p_value for pair in pairs]
    assert p_values == sorted(p_values)
    first, second, third = (p or 0.0 for p in p_values)
    by_hand = [3 * first, max(3 * first, 2 * second), max(3 * first, 2 * second, third)]
    assert [pair.holm for pair in pairs] == pytest.approx([min(1.0, p) for p in by_hand])


def test_with_too_few_data_sets_nothing_is_tested() -> None:
    num = fewest_data_sets(2)
    scores = {"a": [1.0] * num, "b": [0.1 * n for n in range(num)]}
    few = {name: values[1:] for name, values in scores.items()}

    (enough,) = compare_pairs(scores, order=["a", "b"], is_loss=False)
    (too_few,) = compare_pairs(few, order=["a", "b"], is_loss=False)

    assert enough.differs
    assert (too_few.p_value, too_few.holm, too_few.differs) == (None, None, False)


def pair(first: str, second: str, *, holm: float) -> Pair:
    return Pair(first, second, wins=0, ties=0, losses=0, p_value=holm, holm=holm)


def test_a_group_contains_no_two_methods_that_differ() -> None:
    holm = {"ab": 1.0, "ac": 0.2, "ad": 0.01, "bc": 1.0, "bd": 0.3, "cd": 0.9}
    pairs = [pair(*names, holm=p) for names, p in holm.items()]

    assert groups("abcd", pairs) == [("a", "b", "c"), ("b", "c", "d")]
    assert groups("abcd", [pair(*names, holm=0.01) for names in holm]) == []
    assert groups("abcd", [pair(*names, holm=1.0) for names in holm]) == [tuple("abcd")]

"""Ranks of methods over data sets, and tests of their differences (Demšar 2006, JMLR 7, 1-30).

On each data set the methods are ranked by their score (1 is the best, equal scores share the mean
of their ranks), and the ranks are averaged. Each pair is compared by Wilcoxon's signed-rank test of
the differences on each data set, two-sided, with Holm's correction over all pairs.

Departures: the pairs are tested at once, without Friedman's test before, because Holm's correction
alone bounds the probability of any false claim. Wilcoxon's test replaces Nemenyi's, whose result
for two methods depends on the others (Benavoli, Corani & Mangili 2016, JMLR 17).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

LEVEL = 0.05
DIGITS = 6  # scores that agree to this many digits are equal; some were computed in float32
LARGEST_EXACT = 14  # data sets; a test of more uses scipy, which approximates if scores are equal


@dataclass(frozen=True)
class Pair:
    """Two methods on the same data sets.

    first, second: names; the first has the better mean rank.
    wins, ties, losses: data sets on which the first is better, equal or worse.
    p_value: of Wilcoxon's signed-rank test; None if there are too few data sets.
    holm: the p-value with Holm's correction over all pairs.
    """

    first: str
    second: str
    wins: int
    ties: int
    losses: int
    p_value: float | None
    holm: float | None

    @property
    def differs(self) -> bool:
        """Whether a difference can be shown."""
        return self.holm is not None and self.holm <= LEVEL


def mean_ranks(scores: Mapping[str, Sequence[float]], *, is_loss: bool) -> dict[str, float]:
    """Return the mean rank of each method, the best first.

    scores: on the same data sets, in the same order, by method.
    is_loss: whether a lower score is better.
    """
    from scipy.stats import rankdata  # late: it takes a second to import

    signed = [[(1 if is_loss else -1) * round(x, DIGITS) for x in row] for row in scores.values()]
    means = rankdata(signed, axis=0).mean(axis=1)
    found = dict(zip(scores, map(float, means), strict=True))
    return dict(sorted(found.items(), key=lambda item: (item[1], item[0])))


def fewest_data_sets(num_methods: int) -> int:
    """Return with how many data sets a difference between some methods can be shown.

    The smallest p-value with n data sets is 2 / 2^n, if one method is better on all of them. Holm's
    correction compares it with the level divided by the number of pairs.
    """
    return math.ceil(math.log2(2 * math.comb(num_methods, 2) / LEVEL))


def compare_pairs(
    scores: Mapping[str, Sequence[float]], *, order: Sequence[str], is_loss: bool
) -> list[Pair]:
    """Return all pairs, the smallest p-value first.

    scores: see `mean_ranks`.
    order: the methods by their mean rank.
    """
    is_tested = len(next(iter(scores.values()))) >= fewest_data_sets(len(order))
    pairs = []
    for first, second in combinations(order, 2):
        differences = [
            (-1 if is_loss else 1) * round(a - b, DIGITS)
            for a, b in zip(scores[first], scores[second], strict=True)
        ]
        wins, losses = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
        p_value = signed_rank_test(differences) if is_tested else None
        ties = len(differences) - wins - losses
        pairs.append((first, second, wins, ties, losses, p_value))
    if not is_tested:
        return [Pair(*pair, holm=None) for pair in pairs]
    pairs.sort(key=lambda pair: pair[-1] or 0.0)
    corrected = _holm([pair[-1] or 0.0 for pair in pairs])
    return [Pair(*pair, holm=holm) for pair, holm in zip(pairs, corrected, strict=True)]


def signed_rank_test(differences: Sequence[float]) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test; zeros are split evenly.

    With up to 14 differences it is exact, also if some are equal or zero: the share of the signs
    of all differences whose sum of signed ranks is at least as far from zero.
    """
    import numpy as np
    from scipy.stats import rankdata, wilcoxon

    values = np.array(differences)
    if not values.any():
        return 1.0
    if len(values) > LARGEST_EXACT:
        return float(wilcoxon(values, zero_method="zsplit").pvalue)
    ranks = rankdata(abs(values))[values != 0]
    signs = 1 - 2 * (np.arange(2 ** len(ranks))[:, None] >> np.arange(len(ranks)) & 1)
    found = abs(float((ranks * np.sign(values[values != 0])).sum()))
    return float((abs(signs @ ranks) >= found - 1e-9).mean())


def _holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values with Holm's correction (1979), which are in ascending order."""
    corrected: list[float] = []
    for number, p_value in enumerate(p_values):
        scaled = min(1.0, (len(p_values) - number) * p_value)
        corrected.append(max([scaled, *corrected[-1:]]))
    return corrected


def groups(order: Sequence[str], pairs: Sequence[Pair]) -> list[tuple[str, ...]]:
    """Return the largest runs of neighbours in rank that contain no pair that differs.

    Runs of a single method are left out. A diagram connects the methods of a run.
    """
    differing = {frozenset((pair.first, pair.second)) for pair in pairs if pair.differs}
    found: list[tuple[str, ...]] = []
    end = 0
    for start in range(len(order)):
        stop = start + 1
        while stop < len(order) and not any(
            frozenset((one, order[stop])) in differing for one in order[start:stop]
        ):
            stop += 1
        if stop > max(end, start + 1):
            found.append(tuple(order[start:stop]))
            end = stop
    return found

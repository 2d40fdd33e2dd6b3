"""Prediction sets with a guaranteed coverage, by split conformal prediction.

Vovk et al. (2005), "Algorithmic learning in a random world". The score is the least ambiguous one
of Sadinle et al. (2019), "Least ambiguous set-valued classifiers with bounded error levels": 1 - p
of the class. If calibration sequences and a new one are exchangeable, the set of the new one has
its class with a probability of at least the coverage, over the draw of all of them.

Departure: the most probable class is always in the set, which is therefore never empty. This can
only raise the coverage.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float, Int

from unrolled.errors import ConfigError, DataError

RANGE = 0.9  # how often the coverage with one calibration file is between `low` and `high`


@dataclass(frozen=True)
class PredictionSets:
    """Which classes a prediction set has.

    smallest: probability of a class that is in the set.
    rank: number of calibration sequences whose class has at least this probability (k).
    num: calibration sequences (n).
    """

    smallest: float
    rank: int
    num: int

    def contains(
        self, probabilities: Float[npt.NDArray[np.float32], "n c"]
    ) -> Bool[npt.NDArray[np.bool_], "n c"]:
        """Return which classes are in the set of each sequence."""
        most_probable = np.eye(probabilities.shape[1], dtype=bool)[probabilities.argmax(axis=1)]
        contained: npt.NDArray[np.bool_] = (probabilities >= self.smallest) | most_probable
        return contained

    def names(
        self, probabilities: Float[npt.NDArray[np.float32], "n c"], class_names: Sequence[str]
    ) -> list[list[str]]:
        """Return the names of the classes in the set of each sequence.

        class_names: (c,).
        """
        names = np.array(class_names, dtype=object)
        return [names[row].tolist() for row in self.contains(probabilities)]

    def coverage_range(self) -> tuple[float, float]:
        """Return between which values the coverage is in 90 % of all calibration files of n.

        It has the beta distribution with k and n + 1 - k. Vovk (2012), "Conditional validity of
        inductive conformal predictors", proposition 2a. Equal scores and the most probable class
        can only raise it.
        """
        from scipy.special import betaincinv  # late: other predictions do without

        tail = (1 - RANGE) / 2
        low, high = betaincinv(self.rank, self.num + 1 - self.rank, [tail, 1 - tail])
        return float(low), float(high)


def fit_sets(
    probabilities: Float[npt.NDArray[np.float32], "n c"],
    y: Int[npt.NDArray[np.int64], " n"],
    *,
    coverage: float,
) -> PredictionSets:
    """Return the prediction sets for a coverage.

    probabilities: of calibration sequences, which chose nothing: neither weights, nor the best
        epoch, nor settings.
    y: their classes.
    coverage: 0 < coverage < 1.

    Raises:
        ConfigError: the coverage is out of range.
        DataError: there are too few calibration sequences for this coverage.
    """
    if not 0 < coverage < 1:
        raise ConfigError(f"coverage={coverage}: need a number > 0 and < 1")
    num = len(y)
    share = Fraction(str(coverage))  # 0.9 itself, not the number of a computer next to it
    rank = math.ceil((num + 1) * share)
    if rank > num:
        needed = math.ceil(share / (1 - share))
        raise DataError(
            f"coverage={coverage:g} needs at least {needed} calibration sequences, but there are "
            f"{num}; add some, or type a smaller coverage"
        )
    of_true_class = probabilities[np.arange(num), y]
    return PredictionSets(float(np.sort(of_true_class)[num - rank]), rank, num)

"""Finds values of new sequences that are far outside the range of the training set."""

import logging
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from unrolled.data.files.piece import Pieces
from unrolled.data.ranges import FAR, Ranges
from unrolled.errors import DataError
from unrolled.scales import num_digits

log = logging.getLogger(__name__)

MAX_FEATURES = 5  # that a message lists
BLOCK_VALUES = 2**16  # compared at once


class RangeCheck:
    """Counts values far outside the training range; see `Ranges.limits`.

    ranges: of the training set.
    names: of the features, (d,). Further features of a sequence are codes of words.
    source: what is read, for the message.
    """

    def __init__(self, ranges: Ranges, names: Sequence[str], *, source: str) -> None:
        self.ranges = ranges
        self.names = names
        self.source = source
        low, high = ranges.limits()
        self._low, self._high = low.numpy(), high.numpy()
        self._num_far = np.zeros(len(names), dtype=np.int64)
        self._smallest = np.full(len(names), np.inf)
        self._largest = np.full(len(names), -np.inf)
        self._num_steps = 0
        self._waiting: list[npt.NDArray[np.float64]] = []
        self._num_waiting = 0

    def watch(self, parts: Iterator[Pieces], *, strict: bool) -> Iterator[Pieces]:
        """Yield the pieces, and warn after the last one if there are such values.

        Raises:
            DataError: there are such values, and strict.
        """
        for part in parts:
            self._waiting.append(part.values)
            self._num_waiting += part.values.size
            if self._num_waiting >= BLOCK_VALUES:
                self._count()
            yield part
        self._count()
        if not self._num_far.any():
            return
        if strict:
            raise DataError(f"{self.message()}\n  strict=true refuses them")
        log.warning("%s", self.message())

    def _count(self) -> None:
        if not self._waiting:
            return
        values = np.concatenate(self._waiting)[:, : len(self.names)]
        self._waiting, self._num_waiting = [], 0
        self._num_steps += len(values)
        # fmin and fmax skip NaN, which marks missing values
        self._smallest = np.fmin(self._smallest, np.fmin.reduce(values))
        self._largest = np.fmax(self._largest, np.fmax.reduce(values))
        self._num_far += ((values < self._low) | (values > self._high)).sum(axis=0)

    def message(self) -> str:
        """Return the features, their shares of such values, and their ranges."""
        order = np.argsort(-self._num_far, kind="stable")[: (self._num_far > 0).sum()]
        lines = [
            f"{self.source}: values far outside the training range (by more than {FAR:g} times "
            f"its width). Are the units and the columns the same?"
        ]
        lines += [self._line(feature) for feature in order[:MAX_FEATURES].tolist()]
        if len(order) > MAX_FEATURES:
            lines.append(f"  and {len(order) - MAX_FEATURES} more features")
        return "\n".join(lines)

    def _line(self, feature: int) -> str:
        share = self._num_far[feature] / self._num_steps
        bounds = [
            float(some[feature])
            for some in (self.ranges.lowest, self.ranges.highest, self._smallest, self._largest)
        ]
        digits = num_digits(bounds, least=4)
        low, high, smallest, largest = (f"{bound:.{digits}g}" for bound in bounds)
        return (
            f"  {self.names[feature]!r}: {100 * share:.3g} % of {self._num_steps:,} values; "
            f"training range {low} to {high}, here {smallest} to {largest}"
        )

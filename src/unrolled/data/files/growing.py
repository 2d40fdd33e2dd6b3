"""An array of steps that grows while a file is read."""

import numpy as np
import numpy.typing as npt

SHARE = 8  # of the array is added when it is full, as Python's lists do


class GrowingSteps:
    """Steps in order, in one array; joining the parts at the end would take twice the memory.

    num_values: how many values there probably are in all, or 0 if that is not known.
    """

    def __init__(self, *, num_values: int) -> None:
        self._values = np.empty(num_values)
        self._num_values = 0
        self._num_features = 1

    def add(self, steps: npt.NDArray[np.float64]) -> None:
        """Append steps, (s, d)."""
        self._num_features = steps.shape[-1]
        end = self._num_values + steps.size
        if end > len(self._values):
            # reallocates in place where the operating system can move pages
            self._values.resize(end + end // SHARE, refcheck=False)
        self._values[self._num_values : end] = steps.ravel()
        self._num_values = end

    def take(self) -> npt.NDArray[np.float64]:
        """Return all steps, (s, d). Nothing can be appended afterwards."""
        if len(self._values) != self._num_values:
            self._values.resize(self._num_values, refcheck=False)
        return self._values.reshape(-1, self._num_features)

"""Measures functions next to a reference, in turn, in one process and on one thread.

What the machine does otherwise slows both, so their ratio is steadier than either of them. The
pairs of all rows are measured in rounds, so that a disturbance of a second reaches one pair of a
few rows rather than all pairs of one. Times are CPU times unless a row names another clock.
"""

import gc
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import process_time
from typing import NamedTuple

import numpy as np

LEAST_SECONDS = 0.03  # of one measurement; shorter functions are repeated
LONG_SECONDS = 0.5  # of a function that is executed only once before it is measured
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Row:
    """Something that is measured, and the reference that is measured in turn with it.

    part: of `settings.PARTS`.
    name: unique within the part.
    reference: name of the reference.
    unit: CPU s, wall s or bytes.
    num_sequences: of one execution, or None if it reads none.
    flops: multiplications and additions of one execution, or None if they are not counted.
    size: steps of a sequence, in the part length only.
    values, reference_values: (pairs,), in the order in which they were measured.
    """

    part: str
    name: str
    reference: str
    unit: str
    num_sequences: int | None
    flops: float | None
    size: int | None
    values: tuple[float, ...]
    reference_values: tuple[float, ...]

    @property
    def typical(self) -> float:
        """The median."""
        return statistics.median(self.values)

    @property
    def typical_reference(self) -> float:
        """The median of the reference."""
        return statistics.median(self.reference_values)

    def log_ratios(self) -> list[float]:
        """Return the logarithm of the ratio to the reference of each pair."""
        pairs = zip(self.values, self.reference_values, strict=True)
        return [math.log(value / reference) for value, reference in pairs]

    def ratio(self) -> "Estimate":
        """Return the ratio to the reference."""
        logs = self.log_ratios()
        if len(logs) < 2:
            return Estimate(math.exp(logs[0]), None, None)
        from scipy import stats

        half = stats.sem(logs) * stats.t.ppf((1 + CONFIDENCE) / 2, len(logs) - 1)
        return Estimate.of_log(float(np.mean(logs)), float(half))


class Estimate(NamedTuple):
    """A geometric mean with a t interval, which is None for a single value."""

    value: float
    low: float | None
    high: float | None

    @classmethod
    def of_log(cls, mean: float, half: float) -> "Estimate":
        """Return the estimate of exp(x) from the mean and the interval mean ± half of x."""
        return cls(math.exp(mean), math.exp(mean - half), math.exp(mean + half))

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.2f}"
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True)
class Case:
    """A row that has not been measured yet, and what is measured for it.

    row: without values.
    measured, reference: what is executed.
    scales: by which the time of an execution of each is multiplied, for example 0.01 if it has a
        hundred steps and the row is about one step.
    clock: returns seconds.
    repeats: executions per measurement. None: both are executed before, to warm up, and short
        functions are executed several times.
    """

    row: Row
    measured: Callable[[], object]
    reference: Callable[[], object]
    scales: tuple[float, float] = (1.0, 1.0)
    clock: Callable[[], float] = process_time
    repeats: int | None = None


def row(
    part: str,
    name: str,
    reference: str,
    *,
    unit: str = "CPU s",
    num_sequences: int | None = None,
    flops: float | None = None,
    size: int | None = None,
) -> Row:
    """Return a row without values; see `Row`."""
    return Row(part, name, reference, unit, num_sequences, flops, size, (), ())


def measure_in_rounds(cases: Sequence[Case], *, pairs: int) -> list[Row]:
    """Return the rows of cases with the times of one execution. A round measures a pair of each."""
    numbers = [
        [case.repeats or _repeats(function, case.clock) for function in _both(case)]
        for case in cases
    ]
    found: list[list[list[float]]] = [[[], []] for _ in cases]
    with _without_garbage_collection():
        for _ in range(pairs):
            for case, repeats, values in zip(cases, numbers, found, strict=True):
                for index, function in enumerate(_both(case)):
                    seconds = _seconds(function, repeats[index], case.clock)
                    values[index].append(seconds * case.scales[index])
            gc.collect(1)  # what this round has made
    return [
        replace(case.row, values=tuple(values), reference_values=tuple(reference_values))
        for case, (values, reference_values) in zip(cases, found, strict=True)
    ]


def _both(case: Case) -> tuple[Callable[[], object], Callable[[], object]]:
    return case.measured, case.reference


def _repeats(function: Callable[[], object], clock: Callable[[], float]) -> int:
    """Execute a function once or twice, and return how often a measurement executes it."""
    seconds = _seconds(function, 1, clock)
    if seconds < LONG_SECONDS:  # the first execution may have imported and allocated
        seconds = _seconds(function, 1, clock)
    return max(1, round(LEAST_SECONDS / max(seconds, 1e-9)))


def _seconds(function: Callable[[], object], repeats: int, clock: Callable[[], float]) -> float:
    started_at = clock()
    for _ in range(repeats):
        function()
    return (clock() - started_at) / repeats


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()

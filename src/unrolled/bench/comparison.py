"""Compares two benches by their ratios to references, which were measured in the same process."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from unrolled.bench.pairs import CONFIDENCE, Estimate, Row
from unrolled.bench.record import Record

COMPARED = {  # parts of the description of a machine
    "hardware": ("cpu", "cpu_flags", "system"),
    "versions": ("python", "torch", "lightning", "numpy"),
}
SETTINGS = ("keep_memory", "loop", "num_sequences")  # that are not in the names of rows


@dataclass(frozen=True)
class Change:
    """How the ratio of a row to its reference has changed.

    factor: the new ratio over the old one; more than 1 is slower (or more memory).
    is_shown: whether the interval of the factor excludes 1.
    """

    old: Row
    new: Row
    factor: Estimate

    @property
    def verdict(self) -> str:
        """What the interval shows."""
        if self.factor.low is None or self.factor.high is None:
            return "one value, no interval"
        if self.factor.low > 1:
            return "more" if self.new.unit == "bytes" else "slower"
        if self.factor.high < 1:
            return "less" if self.new.unit == "bytes" else "faster"
        return "no change shown"


def changes(old: Record, new: Record) -> list[Change]:
    """Return a change for each row that both have with the same reference.

    The intervals hold together: with a probability of 95 %, none of them shows a change that is
    not there (Bonferroni), as far as the pairs of one process are independent.
    """
    before = {(row.part, row.name, row.reference): row for row in old.rows}
    both = [
        (before[key], row)
        for row in new.rows
        if (key := (row.part, row.name, row.reference)) in before
    ]
    tested = sum(min(len(a.values), len(b.values)) > 1 for a, b in both)
    confidence = 1 - (1 - CONFIDENCE) / max(tested, 1)
    return [Change(a, b, _factor(a, b, confidence=confidence)) for a, b in both]


def _factor(old: Row, new: Row, *, confidence: float) -> Estimate:
    """Return the ratio of two geometric means with Welch's t interval."""
    from scipy import stats

    before, after = old.log_ratios(), new.log_ratios()
    difference = sum(after) / len(after) - sum(before) / len(before)
    if min(len(before), len(after)) < 2:
        return Estimate(math.exp(difference), None, None)
    if len({*before}) == len({*after}) == 1:  # no variance at all
        return Estimate.of_log(difference, 0.0)
    test = stats.ttest_ind(after, before, equal_var=False)
    interval = test.confidence_interval(confidence)
    return Estimate(math.exp(difference), math.exp(interval.low), math.exp(interval.high))


def differences(old: Record, new: Record) -> list[str]:
    """Return a line for each part of the circumstances that differs."""
    return [
        f"{name}: {before} before, {now} now"
        for name, before, now in _circumstances(old, new)
        if before != now
    ]


def _circumstances(old: Record, new: Record) -> Iterator[tuple[str, object, object]]:
    """Yield the name of each circumstance, and its values in both."""
    for group, keys in COMPARED.items():
        for key in keys:
            before, now = (record.machine.get(group, {}).get(key) for record in (old, new))
            yield key, before, now
    for key in SETTINGS:
        yield key, old.settings.get(key), new.settings.get(key)

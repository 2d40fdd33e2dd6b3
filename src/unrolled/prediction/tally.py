"""Counts of what was predicted, and how much of it is right where the labels are known."""

from collections import Counter

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Int

from unrolled.errors import ConfigError
from unrolled.prediction.answers import AnswerRule
from unrolled.prediction.conformal import PredictionSets

SEPARATOR = "|"  # of the classes in a set


class Tally:
    """Answers blocks of predictions, and counts the answers.

    rule: chooses the class.
    sets: prediction sets, or None.
    noun: what is counted, sequences or steps.

    Raises:
        ConfigError: the name of a class contains the separator of the classes in a set.
    """

    def __init__(self, rule: AnswerRule, sets: PredictionSets | None, *, noun: str) -> None:
        names = [name for name in rule.class_names if SEPARATOR in name]
        if sets is not None and names:
            raise ConfigError(
                f"coverage: the class {names[0]!r} contains {SEPARATOR}, which separates the "
                "classes of a set; train with another name"
            )
        self.rule, self.sets, self.noun = rule, sets, noun
        num = len(rule.class_names)
        self.counts: Counter[str] = Counter()
        # by true class, and by predicted class with no answer last
        self.confusion = np.zeros((num, num + 1), dtype=np.int64)
        self.set_sizes: Counter[int] = Counter()
        self.num_in_set = 0

    def add(
        self,
        probabilities: Float[npt.NDArray[np.float32], "n c"],
        y: Int[npt.NDArray[np.int64], " n"] | None,
    ) -> dict[str, list[str]]:
        """Return the columns of the answers.

        y: true classes, or None if they are not known.
        """
        classes = self.rule.classes(probabilities)
        labels = self.rule.labels(classes)
        self.counts.update(labels)
        if y is not None:
            np.add.at(self.confusion, (y, classes), 1)  # -1 is the last column
        if self.sets is None:
            return {"predicted": labels}
        contained = self.sets.contains(probabilities)
        self.set_sizes.update(contained.sum(axis=1).tolist())
        if y is not None:
            self.num_in_set += int(contained[np.arange(len(y)), y].sum())
        names = self.sets.names(probabilities, self.rule.class_names)
        return {"predicted": labels, "set": [SEPARATOR.join(some) for some in names]}

    def lines(self) -> list[str]:
        """Return what to print."""
        total = self.counts.total()
        shares = ", ".join(f"{num} {name}" for name, num in self.counts.most_common())
        lines = [f"{total} {self.noun}: {shares}"]
        if self.rule.abstain_below is not None:
            lines.append(self._answered())
        if self.rule.threshold is not None:
            lines.append(self._threshold())
        if self.sets is not None:
            lines.append(self._sets())
        return lines

    @property
    def _num_labelled(self) -> int:
        return int(self.confusion.sum())

    def _answered(self) -> str:
        rule, total = self.rule, self.counts.total()
        answered = [self.counts[name] for name in rule.class_names]
        line = (
            f"abstain_below={rule.abstain_below:g}: {sum(answered)} of {total} {self.noun} "
            f"answered, coverage {sum(answered) / total:.4f}"
        )
        if self._num_labelled and sum(answered):
            line += f"; {_share(int(np.trace(self.confusion)), sum(answered))} of these are correct"
        return line

    def _threshold(self) -> str:
        rule = self.rule
        positive, other = rule.positive, 1 - rule.positive
        names = rule.class_names
        line = (
            f"threshold={rule.threshold:g}: {names[positive]!r} if p_{names[positive]} is at least "
            f"{rule.threshold:g}, else {names[other]!r}"
        )
        if self._num_labelled:
            found = self.confusion[positive, positive]
            line += (
                f"; {_share(int(np.trace(self.confusion)), self._num_labelled)} are correct, "
                f"{found} of {self.confusion[positive].sum()} {names[positive]!r} are found, and "
                f"{found} of {self.confusion[:, positive].sum()} predicted as {names[positive]!r} "
                "are right"
            )
        return line

    def _sets(self) -> str:
        total = self.set_sizes.total()
        mean = sum(size * num for size, num in self.set_sizes.items()) / total
        sizes = ", ".join(f"{num} of {size}" for size, num in sorted(self.set_sizes.items()))
        line = f"sets: {mean:.2f} classes on average ({sizes})"
        if self._num_labelled:
            line += f"; {_share(self.num_in_set, total)} contain the label"
        return line


def _share(num: int, total: int) -> str:
    return f"{num} of {total} ({num / total:.4f})"

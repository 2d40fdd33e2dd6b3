"""How a class is chosen from probabilities: the most probable one, a threshold, or no answer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Int

from unrolled.errors import ConfigError, did_you_mean

NO_ANSWER = "?"  # in place of a class

Probabilities = Float[npt.NDArray[np.float32], "n c"]


@dataclass(frozen=True)
class AnswerRule:
    """Chooses a class, or none.

    class_names: of the run, (c,).
    abstain_below: a largest probability below it gives no answer, or None.
    threshold: of two classes, the positive one is chosen if its probability is at least this, or
        None for the most probable class.
    positive: number of the positive class.
    """

    class_names: Sequence[str]
    abstain_below: float | None
    threshold: float | None
    positive: int

    def classes(self, probabilities: Probabilities) -> Int[npt.NDArray[np.int64], " n"]:
        """Return the number of the class of each row, and -1 for no answer."""
        if self.threshold is not None:
            is_positive = probabilities[:, self.positive] >= self.threshold
            return np.where(is_positive, self.positive, 1 - self.positive)
        found: npt.NDArray[np.int64] = probabilities.argmax(axis=1)
        if self.abstain_below is not None:
            found[probabilities.max(axis=1) < self.abstain_below] = -1
        return found

    def labels(self, classes: Int[npt.NDArray[np.int64], " n"]) -> list[str]:
        """Return the names of classes, and ? for no answer."""
        names = [*self.class_names, NO_ANSWER]
        return [names[number] for number in classes.tolist()]


def answer_rule(
    class_names: Sequence[str],
    *,
    abstain_below: float | None,
    threshold: float | None,
    positive: str | None,
) -> AnswerRule:
    """Return the rule for a run with these classes.

    positive: name of the positive class; None for the second one.

    Raises:
        ConfigError: a value does not fit the classes of the run, or another value.
    """
    num = len(class_names)
    for key, value in (("abstain_below", abstain_below), ("threshold", threshold)):
        if value is not None and not 0 < value < 1:
            raise ConfigError(f"{key}={value}: need a number > 0 and < 1")
    if positive is not None and threshold is None:
        raise ConfigError(f"positive={positive} needs threshold=0.3")
    if threshold is not None and abstain_below is not None:
        raise ConfigError(
            f"threshold={threshold:g} abstain_below={abstain_below:g}: leave one of them out"
        )
    if abstain_below is not None and abstain_below * num <= 1:
        raise ConfigError(
            f"abstain_below={abstain_below:g}: the largest of {num} probabilities is at least "
            f"{1 / num:.3g}, so each sequence would be answered; need a larger number"
        )
    if abstain_below is not None and NO_ANSWER in class_names:
        raise ConfigError(
            f"abstain_below={abstain_below:g}: a class of the run is named {NO_ANSWER}, which "
            "stands for no answer; train with another name"
        )
    if threshold is not None and num != 2:
        raise ConfigError(
            f"threshold={threshold:g} is for two classes, but the run has {num}; to answer only "
            "where the network is sure, type abstain_below=0.8"
        )
    if positive is not None and positive not in class_names:
        raise ConfigError(
            f"positive={positive}: no such class; the run has {', '.join(class_names)}"
            f"{did_you_mean(positive, class_names)}"
        )
    number = 1 if positive is None else list(class_names).index(positive)
    return AnswerRule(class_names, abstain_below, threshold, number)

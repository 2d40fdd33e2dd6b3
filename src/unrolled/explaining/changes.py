"""How logits and probabilities respond to changed, hidden and missing steps of the input."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

# Returns logits (b, c) from sequences (b, t, d) and their lengths (b).
Classify = Callable[[Tensor, Tensor], Tensor]
# Returns other values for the features of some steps, (..., d).
Change = Callable[[Tensor], Tensor]

ENOUGH = 0.95  # of the final accuracy


@torch.no_grad()
def forgetting_curve(
    classify: Classify,
    x: Float[Tensor, "b t d"],
    lengths: Int[Tensor, " b"],
    *,
    steps_before_end: Sequence[int],
    change: Change,
) -> list[float]:
    """Return how far the logits z move if one step is changed: the mean of ||z(x') - z(x)||_2.

    x' has a single changed step, k steps before the last one, and the same change at every k. The
    mean is over sequences that have this step. It is the finite form of the sensitivity to inputs
    of Hochreiter & Schmidhuber (1997), section 3.

    For s_t = a s_{t-1} + x_t with the last state as logit, a change by 1 moves it by |a|^k.

    steps_before_end: the values of k, 0 for the last step. Each k < max(lengths).
    change: returns new values for the features of one step of each sequence, (b, d).
    """
    before, rows = classify(x, lengths), torch.arange(len(x))
    found = []
    for k in steps_before_end:
        has_step = lengths > k
        places = (lengths - 1 - k).clamp(min=0)
        changed = x.clone()
        changed[rows, places] = change(x[rows, places])
        moved = classify(changed[has_step], lengths[has_step]) - before[has_step]
        found.append(float(moved.double().norm(dim=1).mean()))
    return found


@torch.no_grad()
def occlusion(
    classify: Classify,
    x: Float[Tensor, "t d"],
    *,
    window: int,
    hide: Change,
) -> Float[Tensor, " t"]:
    """Return by how much the probability of the predicted class falls if steps are hidden.

    Windows of `window` steps, each starting (window + 1) // 2 steps after the one before, are
    hidden one at a time. The value of a step is the mean fall over the windows that cover it. It
    is negative where hiding raises the probability. Zeiler & Fergus (2014), Visualizing and
    understanding convolutional networks, section 4.2, along time.

    x: one sequence without padding.
    window: steps, 1 <= window <= t.
    hide: returns the values that take the place of hidden steps, (window, d).
    """
    num_steps = len(x)
    starts = [*range(0, num_steps - window, (window + 1) // 2), num_steps - window]
    versions = x.expand(len(starts) + 1, -1, -1).clone()
    for row, start in enumerate(starts):
        versions[row, start : start + window] = hide(x[start : start + window])
    probabilities = classify(versions, torch.full((len(versions),), num_steps)).softmax(dim=1)
    of_class = probabilities[:, probabilities[-1].argmax()].double()  # the last one is unchanged
    total, count = torch.zeros(2, num_steps, dtype=torch.float64)
    for row, start in enumerate(starts):
        total[start : start + window] += of_class[-1] - of_class[row]
        count[start : start + window] += 1
    mean: Tensor = total / count
    return mean


@dataclass(frozen=True)
class EarlyDecision:
    """The decisions after a share of each sequence.

    shares: in rising order; the last one is 1.
    accuracy: share of right decisions after each share.
    confidence: mean probability of the class that is chosen.
    """

    shares: list[float]
    accuracy: list[float]
    confidence: list[float]

    @property
    def enough(self) -> float:
        """Smallest share from which on the accuracy stays at 95 % of the final one or more."""
        needed = ENOUGH * self.accuracy[-1]
        below = [share < needed for share in self.accuracy]
        return self.shares[len(below) - below[::-1].index(True) if True in below else 0]


@torch.no_grad()
def early_decision(
    classify: Classify,
    x: Float[Tensor, "b t d"],
    lengths: Int[Tensor, " b"],
    y: Int[Tensor, " b"],
    *,
    shares: Sequence[float],
) -> EarlyDecision:
    """Return accuracy and confidence if sequences end after a share of their steps.

    A sequence of T steps is read up to step ceil(share T). This is the trade-off between accuracy
    and earliness of Xing, Pei & Yu (2012), Early classification on time series, for one classifier
    that was trained on whole sequences.

    shares: in rising order, each above 0; the last one is 1.
    """
    accuracy, confidence = [], []
    for share in shares:
        read = (lengths * share - 1e-9).ceil().long().clamp(min=1)
        probabilities = classify(x[:, : int(read.max())], read).double().softmax(dim=1)
        best, chosen = probabilities.max(dim=1)
        accuracy.append(float((chosen == y).double().mean()))
        confidence.append(float(best.mean()))
    return EarlyDecision(list(shares), accuracy, confidence)

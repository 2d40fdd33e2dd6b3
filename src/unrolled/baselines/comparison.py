"""Accuracy of nearest neighbour and MiniRocket on the split that a network uses."""

import logging
from time import process_time
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from unrolled.baselines.minirocket import NUM_FEATURES, MiniRocket
from unrolled.baselines.nearest_neighbour import nearest_neighbour
from unrolled.contracts import Sequences

log = logging.getLogger(__name__)

NEAREST = "1-NN"
MINIROCKET = "MiniRocket"
MAX_VALUES = 1_000_000  # n t d of the training set


class Score(NamedTuple):
    """Score of a baseline on the test set.

    accuracy: 0 to 1.
    seconds: CPU time of fitting and testing.
    is_right: whether the class of each sequence is correct, (n,).
    ids: of the sequences; windows have the id of their recording, (n,).
    """

    accuracy: float
    seconds: float
    is_right: Bool[Tensor, " n"]
    ids: Int[Tensor, " n"]

    def only_right(self, is_right: Bool[Tensor, " n"], ids: Int[Tensor, " n"]) -> tuple[int, int]:
        """Return how many sequences only the baseline classifies correctly, and only a model.

        If recordings are cut into windows, a recording counts for the side that classifies more of
        its windows correctly.

        is_right, ids: of the model on the same test set, in any order.
        """
        names = torch.unique(self.ids)
        ahead = torch.zeros(len(names), dtype=torch.long)
        ahead.index_add_(0, torch.searchsorted(names, self.ids), self.is_right.long())
        ahead.index_add_(0, torch.searchsorted(names, ids), -is_right.long())
        return int((ahead > 0).sum()), int((ahead < 0).sum())


def compare(train: Sequences, *, test: Sequences, num_classes: int) -> dict[str, Score]:
    """Return the score of each baseline, by name; none if the training set is too large.

    MiniRocket computes fewer features than in the paper from 2,001 training sequences on, and is
    left out if there is only one.
    """
    if train.x.numel() > MAX_VALUES:
        log.info(
            "1-NN and MiniRocket skipped: the training set has %s values, more than %s",
            f"{train.x.numel():,}",
            f"{MAX_VALUES:,}",
        )
        return {}
    started_at = process_time()
    predicted = nearest_neighbour(
        train.x,
        train_lengths=train.lengths,
        train_y=train.y,
        x=test.x,
        lengths=test.lengths,
    )
    scores = {NEAREST: _score(predicted, test, started_at)}
    if len(train) > 1:
        started_at = process_time()
        model = MiniRocket(num_features=NUM_FEATURES, seed=0)
        model.fit(train.x, lengths=train.lengths, y=train.y, num_classes=num_classes)
        predicted = model.probabilities(test.x, test.lengths).argmax(dim=1)
        scores[MINIROCKET] = _score(predicted, test, started_at)
    return scores


def _score(predicted: Int[Tensor, " n"], test: Sequences, started_at: float) -> Score:
    is_right = predicted == test.y
    return Score(
        accuracy=float(is_right.double().mean()),
        seconds=process_time() - started_at,
        is_right=is_right,
        ids=test.ids,
    )

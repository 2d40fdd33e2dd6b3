"""Accuracy of nearest neighbour and MiniRocket on the split that a network uses."""

import logging
from time import process_time
from typing import NamedTuple

import torch

from unrolled.baselines.minirocket import NUM_FEATURES, MiniRocket
from unrolled.baselines.nearest_neighbour import nearest_neighbour
from unrolled.contracts import Sequences

log = logging.getLogger(__name__)

NEAREST = "1-NN"
MINIROCKET = "MiniRocket"
MAX_VALUES = 1_000_000  # n t d of the training set


class Score(NamedTuple):
    """accuracy: on the test set, 0 to 1. seconds: CPU time of fitting and testing."""

    accuracy: float
    seconds: float


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


def _score(predicted: torch.Tensor, test: Sequences, started_at: float) -> Score:
    accuracy = float((predicted == test.y).double().mean())
    return Score(accuracy=accuracy, seconds=process_time() - started_at)

"""Baselines of a report: the majority class, and a linear model on summaries.

The linear model is multinomial logistic regression (scikit-learn, C = 1) on mean, standard
deviation, minimum, maximum, first and last value of each feature, standardized. It does not see
the order of the time steps.
"""

import hashlib
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from unrolled.config.values import resolve
from unrolled.runs.durable import write_text

if TYPE_CHECKING:
    import numpy as np

    from unrolled.contracts import Sequences

MAJORITY = "majority class"
LINEAR = "logistic regression on summaries"
MAX_ITERATIONS = 1000

Scores = dict[str, dict[str, float]]  # baseline -> metric -> accuracy, 0 to 1


def fit_baselines(config: DictConfig) -> Scores:
    """Return the accuracy of both baselines on val, and on test if config.test is true.

    Raises:
        UnrolledError: the data cannot be loaded.
    """
    # loaded late: a cached score needs neither torch nor scikit-learn
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from unrolled.building.data import load_prepared

    data = load_prepared(config)
    train = data.parts.train
    majority = int(train.y.bincount().argmax())
    num_words = data.num_words
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=MAX_ITERATIONS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # close enough for a baseline
        linear.fit(_features(train, num_words), train.y.numpy())
    parts = {"val": data.parts.val, "test": data.parts.test if config.test else None}
    scores: Scores = {MAJORITY: {}, LINEAR: {}}
    for name, part in parts.items():
        if part is not None:
            scores[MAJORITY][f"{name}/accuracy"] = float((part.y == majority).double().mean())
            scores[LINEAR][f"{name}/accuracy"] = float(
                linear.score(_features(part, num_words), part.y.numpy())
            )
    return scores


def known_baselines(config: DictConfig, *, data_fingerprint: str, cache: Path | None) -> Scores:
    """Return `fit_baselines` of the data, from the cache if it was fitted before.

    data_fingerprint: hash of the data that the source loads.
    cache: a JSON file, created or extended; None to fit without a cache.
    """
    plain = resolve(config)
    what = json.dumps([plain["data"], plain["test"], data_fingerprint], sort_keys=True)
    key = hashlib.sha256(what.encode()).hexdigest()[:16]
    known: dict[str, Scores] = {}
    if cache is not None and cache.is_file():
        known = json.loads(cache.read_text(encoding="utf-8"))
    if key not in known:
        known[key] = fit_baselines(config)
        if cache is not None:
            write_text(cache, json.dumps(known, indent=2) + "\n", durable=False)
    return known[key]


def mean_over_folds(
    folds: Sequence[DictConfig], *, data_fingerprint: str, cache: Path | None
) -> Scores:
    """Return the mean accuracy of both baselines on what the folds hold out, as cv/accuracy.

    folds: configs of the trainings of a cross-validation.
    """
    scores = [
        known_baselines(fold, data_fingerprint=data_fingerprint, cache=cache) for fold in folds
    ]
    return {
        name: {"cv/accuracy": fmean(some[name]["test/accuracy"] for some in scores)}
        for name in (MAJORITY, LINEAR)
    }


def _features(part: "Sequences", num_words: Sequence[int]) -> "np.ndarray":
    """Return statistics of the numbers, and the share of each word in the steps of a sequence."""
    import torch

    from unrolled.contracts import real_steps
    from unrolled.encoders.summary import summary_features

    num_numbers = part.x.shape[2] - len(num_words)
    features = []
    if num_numbers:
        features.append(summary_features(part.x[:, :, :num_numbers], part.lengths).double())
    weights = real_steps(part.lengths, part.x.shape[1]) / part.lengths[:, None].double()
    for number, num in enumerate(num_words, start=num_numbers):
        shares = torch.zeros(len(part), num + 1, dtype=torch.float64)
        features.append(shares.scatter_add_(1, part.x[:, :, number].long(), weights))
    return torch.cat(features, dim=1).numpy()

"""The scores of a validation or test set, computed once from all its logits."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassCalibrationError,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
)

from unrolled.classifier.balanced_accuracy import balanced_accuracy
from unrolled.classifier.window_averaging import recording_scores


def compute_scores(
    logits: Float[Tensor, "n c"],
    y: Int[Tensor, " n"],
    ids: Int[Tensor, " n"],
    *,
    averages_windows: bool,
    repeated_ids: Int[Tensor, " r"] | None = None,
) -> tuple[dict[str, Tensor], Int[Tensor, "c c"]]:
    """Return the scores by name (loss, accuracy, ...) and the counts, a row per true class.

    averages_windows: whether sequences of one id are windows of a recording, which has scores too.
    repeated_ids: sequences whose values also occur in another set. The scores of the others have
        names such as unseen_accuracy. There are none if no sequence, or every one, is repeated.
    """
    metrics = _metrics(logits.shape[1]).to(logits.device)
    metrics.update(logits, y)
    computed = metrics.compute()
    confusion = computed.pop("confusion")
    scores = {"loss": functional.cross_entropy(logits, y), **computed}
    scores["balanced_accuracy"] = balanced_accuracy(confusion)
    if averages_windows:
        scores |= recording_scores(logits, y, ids)
    if repeated_ids is not None and len(repeated_ids):
        unseen = ~torch.isin(ids, repeated_ids.to(ids.device))
        if unseen.any():
            others, _ = compute_scores(
                logits[unseen], y[unseen], ids[unseen], averages_windows=averages_windows
            )
            scores |= {f"unseen_{name}": value for name, value in others.items()}
    return scores, confusion


class _CalibrationError(MulticlassCalibrationError):
    """Expected calibration error of logits, even where all of them are in [0, 1]."""

    def update(self, preds: Float[Tensor, "b c"], target: Int[Tensor, " b"]) -> None:
        """Add a batch."""
        super().update(preds.softmax(dim=1), target)


def _metrics(num_classes: int) -> MetricCollection:
    """Return new metrics. They are no submodules, because Lightning visits those in each step."""
    how: dict[str, Any] = {"validate_args": False, "sync_on_compute": False}  # has all rows
    return MetricCollection(
        {
            "accuracy": MulticlassAccuracy(num_classes, average="micro", **how),
            "f1": MulticlassF1Score(num_classes, average="macro", **how),
            "calibration_error": _CalibrationError(num_classes, **how),
            "confusion": MulticlassConfusionMatrix(num_classes, **how),
        }
    )

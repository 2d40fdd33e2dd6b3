"""Scores of recordings whose windows are averaged."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_confusion_matrix,
    multiclass_f1_score,
)

from unrolled.classifier.balanced_accuracy import balanced_accuracy
from unrolled.data.windows import average_windows

TINY = torch.finfo(torch.float32).tiny


def recording_scores(
    logits: Float[Tensor, "n c"], y: Int[Tensor, " n"], ids: Int[Tensor, " n"]
) -> dict[str, Float[Tensor, ""]]:
    """Return loss, accuracy, balanced accuracy and macro F1 of recordings, one prediction each.

    y: classes; all windows of a recording have the same one.
    ids: recording to which each window belongs.
    """
    _, probabilities = average_windows(logits.softmax(dim=1), ids)
    _, owners = torch.unique(ids, return_inverse=True)
    labels = y.new_zeros(len(probabilities)).scatter_(0, owners, y)
    num_classes = logits.shape[1]
    return {
        "vote_loss": functional.nll_loss(probabilities.clamp(min=TINY).log(), labels),
        "vote_accuracy": multiclass_accuracy(probabilities, labels, num_classes, average="micro"),
        "vote_balanced_accuracy": balanced_accuracy(
            multiclass_confusion_matrix(probabilities, labels, num_classes)
        ),
        "vote_f1": multiclass_f1_score(probabilities, labels, num_classes, average="macro"),
    }

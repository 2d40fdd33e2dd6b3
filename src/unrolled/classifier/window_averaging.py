"""Votes: what windows of one recording say together, by the mean of their probabilities."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score
from torchmetrics.utilities.distributed import gather_all_tensors

TINY = torch.finfo(torch.float32).tiny


def vote(
    probabilities: Float[Tensor, "n c"], ids: Int[Tensor, " n"]
) -> tuple[Int[Tensor, " m"], Float[Tensor, "m c"]]:
    """Return the ids that occur, in order, and the mean probabilities over the rows of each."""
    names, owners, counts = torch.unique(ids, return_inverse=True, return_counts=True)
    sums = probabilities.new_zeros(len(names), probabilities.shape[1], dtype=torch.float64)
    sums.index_add_(0, owners, probabilities.double())
    return names, (sums / counts[:, None]).to(probabilities.dtype)


def vote_scores(
    logits: Float[Tensor, "n c"], y: Int[Tensor, " n"], ids: Int[Tensor, " n"]
) -> dict[str, Float[Tensor, ""]]:
    """Return loss, accuracy and macro F1 of the votes.

    y: the windows of a recording have one class, all of them.
    ids: of the recording that each row is a window of; other processes may have further ones.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        logits, y, ids = (torch.cat(gather_all_tensors(some)) for some in (logits, y, ids))
    _, probabilities = vote(logits.softmax(dim=1), ids)
    _, owners = torch.unique(ids, return_inverse=True)
    labels = y.new_zeros(len(probabilities)).scatter_(0, owners, y)
    num_classes = logits.shape[1]
    return {
        "vote_loss": functional.nll_loss(probabilities.clamp(min=TINY).log(), labels),
        "vote_accuracy": multiclass_accuracy(probabilities, labels, num_classes, average="micro"),
        "vote_f1": multiclass_f1_score(probabilities, labels, num_classes, average="macro"),
    }

"""Scores on a new labelled file, from the counts of true and predicted classes."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from rich.table import Table
from torch import Tensor
from torch.nn import functional

from unrolled.reports.console import make_console
from unrolled.reports.statistics import wilson_interval

NUM_BINS = 15  # of the calibration error, as in torchmetrics


class Evaluation:
    """Counts and loss of sequences that arrive some at a time.

    class_names: of the run, (c,). A class may be missing in the file.
    confusion: number of sequences of each true class (row) and predicted class (column), (c, c).
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = list(class_names)
        self.confusion = torch.zeros(len(class_names), len(class_names), dtype=torch.long)
        self._total_loss = 0.0
        # The last bin is for a probability of exactly 1.
        self._overconfidence = torch.zeros(NUM_BINS + 1, dtype=torch.float64)

    def __repr__(self) -> str:
        return (
            f"Evaluation(num={self.num}, accuracy={self.accuracy:.4g}, loss={self.loss:.4g}, "
            f"f1={self.f1:.4g}, calibration_error={self.calibration_error:.4g})"
        )

    def add(self, logits: Float[Tensor, "n c"], classes: Int[Tensor, " n"]) -> None:
        """Count sequences of these true classes."""
        num = len(self.class_names)
        pairs = classes * num + logits.argmax(dim=1)
        self.confusion += torch.bincount(pairs, minlength=num**2).reshape(num, num)
        self._total_loss += float(
            functional.cross_entropy(logits.double(), classes, reduction="sum")
        )
        probabilities, predicted = logits.softmax(dim=1).max(dim=1)
        bins = (probabilities * NUM_BINS).long()
        excess = probabilities.double() - (predicted == classes).double()
        self._overconfidence.index_add_(0, bins, excess)

    @property
    def num(self) -> int:
        """Number of sequences."""
        return int(self.confusion.sum())

    @property
    def num_correct(self) -> int:
        """Number of sequences whose predicted class is the true one."""
        return int(self.confusion.trace())

    @property
    def accuracy(self) -> float:
        """Share of sequences whose predicted class is the true one."""
        return self.num_correct / self.num

    @property
    def loss(self) -> float:
        """Mean cross-entropy in nats."""
        return self._total_loss / self.num

    @property
    def f1(self) -> float:
        """Mean F1 score of the classes that occur in the file or in the predictions."""
        counts = self.confusion.sum(dim=0) + self.confusion.sum(dim=1)  # 2 tp + fp + fn
        return float((2 * self.confusion.diag() / counts)[counts > 0].mean())

    @property
    def calibration_error(self) -> float:
        """Expected calibration error (Guo et al. 2017), with 15 bins of the predicted probability.

        The mean over the bins of |mean probability - accuracy|, weighted by their sequences.
        """
        return float(self._overconfidence.abs().sum()) / self.num


def show_evaluation(evaluation: Evaluation, *, noun: str) -> None:
    """Print n, scores and a row per class with its recall.

    noun: what is classified, sequences or windows.
    """
    low, high = wilson_interval(evaluation.num_correct, evaluation.num)
    console = make_console()
    console.print(
        f"{evaluation.num:,} {noun}: {evaluation.num_correct:,} correct, accuracy "
        f"{evaluation.accuracy:.4f} (95 % interval {low:.4f} to {high:.4f})"
    )
    console.print(
        f"loss {evaluation.loss:.4f}, macro F1 {evaluation.f1:.4f}, calibration error "
        f"{evaluation.calibration_error:.4f}"
    )
    table = Table("class", noun, "correct", "recall")
    for name, row, correct in zip(
        evaluation.class_names,
        evaluation.confusion.sum(dim=1).tolist(),
        evaluation.confusion.diag().tolist(),
        strict=True,
    ):
        recall = f"{correct / row:.4f}" if row else ""
        table.add_row(name, f"{row:,}", f"{correct:,}", recall)
    console.print(table)

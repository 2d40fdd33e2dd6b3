"""Summary of a cross-validation: mean and spread over the folds, and all held-out sequences.

Each sequence is held out once, so the folds together predict every sequence. The interval of their
accuracy is the one of Wilson (1927), "Probable inference, the law of succession, and statistical
inference", which is valid near 0 and 1 too. It treats the sequences as independent.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unrolled.data.windows import average_windows
from unrolled.output import spreadsheet_cell
from unrolled.runs.result import CrossValidation, Part, Result

CONFIDENCE = 0.95


@dataclass(frozen=True)
class HeldOut:
    """The test set of a fold, and what the model of the fold predicts for it.

    ids: row of each sequence in its source; windows have the row of their recording.
    repeated: whether a sequence has the same values as one outside this test set.
    """

    logits: Float[Tensor, "n c"]
    y: Int[Tensor, " n"]
    ids: Int[Tensor, " n"]
    repeated: Bool[Tensor, " n"]

    def divided(self, temperature: float) -> "HeldOut":
        """Return the predictions with their logits divided by a temperature."""
        return replace(self, logits=self.logits / temperature)

    def of_recordings(self) -> "HeldOut":
        """Return the recordings, each with the mean of the probabilities of its windows."""
        rows, probabilities = average_windows(self.logits.softmax(dim=1), self.ids)
        _, owners = torch.unique(self.ids, return_inverse=True)
        labels = self.y.new_zeros(len(rows)).scatter_(0, owners, self.y)
        repeated = self.repeated.new_zeros(len(rows)).scatter_(0, owners, self.repeated)
        return HeldOut(probabilities.log(), labels, rows, repeated)


def summarize(
    results: Sequence[Result],
    parts: Sequence[HeldOut],
    *,
    folds: list[Part],
    num_classes: int,
    noun: str,
) -> CrossValidation:
    """Return the summary.

    results: of the fold's runs, with scores on their test sets.
    parts: the test sets; none overlaps another.
    noun: what they consist of.
    """
    from scipy.stats import binomtest  # late: single runs do without

    y = torch.cat([part.y for part in parts])
    predicted = torch.cat([part.logits.argmax(dim=1) for part in parts])
    num_right = int((predicted == y).sum())
    repeated = torch.cat([part.repeated for part in parts])
    counts = torch.bincount(y * num_classes + predicted, minlength=num_classes**2)
    interval = binomtest(num_right, len(y)).proportion_ci(CONFIDENCE, method="wilson")
    scores = [_test_scores(result.scores) for result in results]
    names = [name for name in scores[0] if all(name in some for some in scores)]
    baselines = list(results[0].baselines)
    compared = [name for name in baselines if all(name in r.baseline_pairs for r in results)]
    return CrossValidation(
        num_sequences=len(y),
        num_right=num_right,
        num_repeated=int(repeated.sum()),
        num_right_repeated=int((predicted == y)[repeated].sum()),
        low=float(interval.low),
        high=float(interval.high),
        mean={name: fmean(some[name] for some in scores) for name in names},
        deviation={name: stdev(some[name] for some in scores) for name in names},
        baselines={name: fmean(some.baselines[name] for some in results) for name in baselines},
        baseline_pairs={
            name: [sum(r.baseline_pairs[name][k] for r in results) for k in (0, 1)]
            for name in compared
        },
        confusion=counts.reshape(num_classes, num_classes).tolist(),
        folds=folds,
        noun=noun,
    )


def out_of_fold_table(
    parts: Sequence[HeldOut], *, class_names: Sequence[str], names: Sequence[str] | None
) -> str:
    """Return the predictions as CSV: a row per sequence, with its fold, counted from 1.

    names: of the sequences, by their row in the source; None to name them by this row.
    """
    rows = []
    for fold, part in enumerate(parts, start=1):
        probabilities = part.logits.softmax(dim=1)
        for row, y, shares in zip(
            part.ids.tolist(), part.y.tolist(), probabilities.tolist(), strict=True
        ):
            predicted = class_names[max(range(len(shares)), key=shares.__getitem__)]
            name = row if names is None else names[row]
            rows.append(
                (row, [name, fold, class_names[y], predicted, *map("{:.6g}".format, shares)])
            )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "fold", "label", "predicted", *(f"p_{name}" for name in class_names)])
    for _, columns in sorted(rows, key=lambda pair: pair[0]):
        writer.writerow(spreadsheet_cell(c) if isinstance(c, str) else c for c in columns)
    return text.getvalue()


def _test_scores(scores: dict[str, float | None]) -> dict[str, float]:
    """Return the scores on the whole test set, without the prefix test/."""
    return {
        name.removeprefix("test/"): value
        for name, value in scores.items()
        if name.startswith("test/") and "unseen_" not in name and value is not None
    }

"""The LightningModule that validates and tests an ensemble and each of its members at once."""

import torch
from jaxtyping import Int
from lightning import LightningModule
from torch import Tensor

from unrolled.building.ensemble import Ensemble, average
from unrolled.classifier.scores import compute_scores
from unrolled.contracts import Batch


class EnsembleClassifier(LightningModule):
    """Scores of an ensemble, and of its members, from one pass over each set.

    ensemble: networks with trained weights.
    averages_windows: whether sequences of one id are windows of a recording.
    """

    def __init__(self, ensemble: Ensemble, *, averages_windows: bool) -> None:
        super().__init__()
        self.ensemble = ensemble
        self.averages_windows = averages_windows
        self.confusion: dict[str, Int[Tensor, "c c"]] = {}
        # by split: logits (n, c), classes (n) and ids (n) of all batches
        self.outputs: dict[str, tuple[Tensor, Tensor, Tensor]] = {}
        self.member_scores: list[dict[str, float]] = [{} for _ in ensemble.members]
        self._outputs: list[tuple[Tensor, Tensor, Tensor]] = []  # logits, classes, ids

    def validation_step(self, batch: Batch) -> None:
        """Keep the logits of all members."""
        self._keep(batch)

    def test_step(self, batch: Batch) -> None:
        """Keep the logits of all members."""
        self._keep(batch)

    def on_validation_epoch_end(self) -> None:
        """Compute and log all metrics of the validation set."""
        self._evaluate("val")

    def on_test_epoch_end(self) -> None:
        """Compute and log all metrics of the test set."""
        self._evaluate("test")

    def _keep(self, batch: Batch) -> None:
        logits = self.ensemble.member_logits(batch.x, batch.lengths)
        self._outputs.append((logits.float(), batch.y, batch.ids))

    def _evaluate(self, split: str) -> None:
        parts, classes, rows = zip(*self._outputs, strict=True)
        self._outputs.clear()
        members, y, ids = torch.cat(parts, dim=1), torch.cat(classes), torch.cat(rows)
        for known, logits in zip(self.member_scores, members, strict=True):
            scores, _ = compute_scores(logits, y, ids, averages_windows=self.averages_windows)
            known |= {f"{split}/{name}": float(value) for name, value in scores.items()}
        logits = average(members)
        scores, self.confusion[split] = compute_scores(
            logits, y, ids, averages_windows=self.averages_windows
        )
        self.outputs[split] = logits.cpu(), y.cpu(), ids.cpu()
        self.log_dict({f"{split}/{name}": value for name, value in scores.items()})

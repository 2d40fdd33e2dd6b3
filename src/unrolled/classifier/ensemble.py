"""The LightningModule that validates and tests an ensemble and each of its members at once."""

import torch
from jaxtyping import Float, Int
from lightning import LightningModule
from torch import Tensor

from unrolled.building.ensemble import Ensemble, average
from unrolled.classifier.calibration import divided
from unrolled.classifier.scores import compute_scores
from unrolled.contracts import Batch


class EnsembleClassifier(LightningModule):
    """Scores of an ensemble, and of its members, from one pass over each set.

    Dataloader k returns the sequences in the preparation of input k; see `Ensemble`.

    ensemble: networks with trained weights.
    averages_windows: whether sequences of one id are windows of a recording.
    repeated_ids: test sequences that are also in another set; see `compute_scores`.
    """

    def __init__(
        self, ensemble: Ensemble, *, averages_windows: bool, repeated_ids: Int[Tensor, " r"]
    ) -> None:
        super().__init__()
        self.ensemble = ensemble
        self.averages_windows = averages_windows
        self.repeated_ids = repeated_ids
        self.temperature: float | None = None  # see `classifier.calibration`
        self.confusion: dict[str, Int[Tensor, "c c"]] = {}
        # by split: logits (n, c) before calibration, classes (n) and ids (n) of all batches
        self.outputs: dict[str, tuple[Tensor, Tensor, Tensor]] = {}
        self.member_scores: list[dict[str, float]] = [{} for _ in ensemble.members]
        self._logits: list[list[Tensor]] = [[] for _ in ensemble.members]  # by member and batch
        self._labels: list[tuple[Tensor, Tensor]] = []  # classes and ids, by batch

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Keep the logits of the members that read this preparation."""
        self._keep(batch, dataloader_idx)

    def test_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Keep the logits of the members that read this preparation."""
        self._keep(batch, dataloader_idx)

    def on_validation_epoch_end(self) -> None:
        """Compute and log all metrics of the validation set."""
        self._evaluate("val")

    def on_test_epoch_end(self) -> None:
        """Compute and log all metrics of the test set."""
        self._evaluate("test")

    def _keep(self, batch: Batch, dataloader_idx: int) -> None:
        for number in self.ensemble.readers(dataloader_idx):
            member = self.ensemble.members[number]
            self._logits[number].append(member(batch.x, batch.lengths).float())
        if dataloader_idx == 0:
            self._labels.append((batch.y, batch.ids))

    def _evaluate(self, split: str) -> None:
        members = torch.stack([torch.cat(parts) for parts in self._logits])
        y, ids = map(torch.cat, zip(*self._labels, strict=True))
        self._labels.clear()
        for parts in self._logits:
            parts.clear()
        for known, logits in zip(self.member_scores, members, strict=True):
            scores, _ = self._scores(logits, y, ids, split)
            known |= {f"{split}/{name}": float(value) for name, value in scores.items()}
        logits = average(members, temperature=None)
        self.outputs[split] = logits.cpu(), y.cpu(), ids.cpu()
        logits = divided(logits, self.temperature)
        scores, self.confusion[split] = self._scores(logits, y, ids, split)
        self.log_dict({f"{split}/{name}": value for name, value in scores.items()})

    def _scores(
        self, logits: Float[Tensor, "n c"], y: Int[Tensor, " n"], ids: Int[Tensor, " n"], split: str
    ) -> tuple[dict[str, Tensor], Int[Tensor, "c c"]]:
        return compute_scores(
            logits,
            y,
            ids,
            averages_windows=self.averages_windows,
            repeated_ids=self.repeated_ids if split == "test" else None,
        )

"""The LightningModule: a network with its loss, metrics and optimizer."""

from collections.abc import Callable
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from lightning import LightningModule
from lightning.pytorch.utilities.types import (
    LRSchedulerConfigType,
    OptimizerLRSchedulerConfig,
)
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from unrolled.building.network import Network
from unrolled.classifier.calibration import divided
from unrolled.classifier.distributed import all_rows, world_size
from unrolled.classifier.mixup import mix_up
from unrolled.classifier.schedules import Schedule
from unrolled.classifier.scores import compute_scores
from unrolled.classifier.training_sums import TrainingSums
from unrolled.contracts import Batch
from unrolled.data.batches import Batches
from unrolled.lightning_internals import setup_train_batches


class SequenceClassifier(LightningModule):
    """Classifies whole sequences: logits = network(x, lengths).

    Training keeps sums on the device and reads them once, at the end of the epoch. Validation and
    test keep all logits and compute each metric once, at the end.

    network: maps prepared sequences to logits; see `unrolled.building.network`.
    num_classes: classes (c), >= 2.
    class_weights: weight of each class in the training loss, (c,), or None for equal ones.
    label_smoothing: probability taken from the label and spread over all classes, in [0, 1).
    mixup: parameter of the beta distribution of `mixup.mix_up`, >= 0; 0 mixes nothing.
    make_optimizer: builds the optimizer from torch's parameter groups when training starts.
    make_schedule: builds Lightning's `lr_scheduler` dictionary; see `schedules`.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        *,
        network: Network,
        num_classes: int,
        class_weights: Float[Tensor, " c"] | None,
        label_smoothing: float,
        mixup: float,
        make_optimizer: Callable[[list[dict[str, Any]]], Optimizer],
        make_schedule: Schedule,
    ) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"need 0 <= loss.label_smoothing < 1, got {label_smoothing}")
        if not mixup >= 0:
            raise ValueError(f"need loss.mixup >= 0, got {mixup}")
        self.network = network
        self.mixup = mixup
        self.label_smoothing = label_smoothing
        self.make_optimizer = make_optimizer
        self.make_schedule = make_schedule
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.num_classes = num_classes
        self.averages_windows = False  # whether sequences of one id are windows of a recording
        self.repeated_ids: Int[Tensor, " r"] | None = None  # test sequences also in another set
        self.temperature: float | None = None  # see `classifier.calibration`
        self.confusion: dict[str, Int[Tensor, "c c"]] = {}
        # by split: logits (n, c) before calibration, classes (n) and ids (n) of all batches
        self.outputs: dict[str, tuple[Tensor, Tensor, Tensor]] = {}
        self._outputs: list[tuple[Tensor, Tensor, Tensor]] = []  # logits, classes, ids
        self.training_sums = TrainingSums.zero(torch.device("cpu"))  # of the epoch so far
        self.gradient_norm = torch.zeros(())  # of the newest step, before clipping

    def forward(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b c"]:
        """Return the logits of prepared sequences."""
        logits: Tensor = self.network(x, lengths)
        return logits

    # training

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the mean loss of the batch."""
        if batch_idx == 0:  # not in on_train_epoch_start, which a resumed run skips
            self.training_sums = TrainingSums.zero(batch.x.device)
        if self.mixup > 0:
            x = self.network.embed(batch.x)  # vectors of words are mixed, not their codes
            mixed = mix_up(Batch(x, batch.lengths, batch.y, batch.ids), alpha=self.mixup)
            logits, y = self.network.classify(mixed.x, mixed.lengths), mixed.dominant_y
            loss = mixed.share * self._loss(logits, mixed.y)
            loss = loss + (1 - mixed.share) * self._loss(logits, mixed.other_y)
        else:
            logits, y = self(batch.x, batch.lengths), batch.y
            loss = self._loss(logits, y)
        self.training_sums.add_batch(loss, logits, y)
        if world_size() == 1:
            return loss
        # Lightning averages gradients over processes, whose parts of a batch may differ in size.
        loader = cast("Batches", self.trainer.train_dataloader)
        return loss * len(y) * world_size() / loader.num_in_batch(batch_idx)

    def _loss(self, logits: Float[Tensor, "b c"], y: Int[Tensor, " b"]) -> Float[Tensor, ""]:
        """Return the training loss, weighted and smoothed."""
        return functional.cross_entropy(
            logits, y, weight=self.class_weights, label_smoothing=self.label_smoothing
        )

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the gradients, and record their norm before clipping as train/gradient_norm."""
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        gradients = [p.grad for p in parameters if p.grad is not None]
        norms = torch.stack(torch._foreach_norm(gradients))
        self.gradient_norm = norm = torch.linalg.vector_norm(norms)
        self.training_sums.add_gradient(norm)
        if gradient_clip_val and gradient_clip_algorithm in (None, "norm"):
            nn.utils.clip_grads_with_norm_(parameters, gradient_clip_val, norm)
        elif gradient_clip_val:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def on_train_epoch_end(self) -> None:
        """Publish the scores of the epoch; `callbacks.history` logs them."""
        sums = self.training_sums.of_all_processes()
        self.log_dict(sums.scores(), sync_dist=True, logger=False)

    # validation, test and prediction

    def validation_step(self, batch: Batch) -> None:
        """Keep the logits of the batch."""
        self._outputs.append((self(batch.x, batch.lengths), batch.y, batch.ids))

    def test_step(self, batch: Batch) -> None:
        """Keep the logits of the batch."""
        self._outputs.append((self(batch.x, batch.lengths), batch.y, batch.ids))

    def on_validation_epoch_end(self) -> None:
        """Compute and log all metrics of the validation set."""
        self._evaluate("val")

    def on_test_epoch_end(self) -> None:
        """Compute and log all metrics of the test set."""
        self._evaluate("test")

    def _evaluate(self, split: str) -> None:
        logits, y, ids = map(all_rows, map(torch.cat, zip(*self._outputs, strict=True)))
        logits = logits.float()
        self._outputs.clear()
        self.outputs[split] = logits, y, ids
        scores, self.confusion[split] = compute_scores(
            divided(logits, self.temperature),
            y,
            ids,
            averages_windows=self.averages_windows,
            repeated_ids=self.repeated_ids if split == "test" else None,
        )
        self.log_dict({f"{split}/{name}": value for name, value in scores.items()}, sync_dist=True)

    # optimization

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return the optimizer over the groups of encoder and head, and the schedule."""
        optimizer = self.make_optimizer(self._parameter_groups())
        for group in optimizer.param_groups:
            group["lr"] *= group.pop("lr_scale")
            group["weight_decay"] *= group.pop("decay")
        setup_train_batches(self.trainer)  # counts the batches of an epoch
        num_steps = int(self.trainer.estimated_stepping_batches)
        steps_per_epoch = int(self.trainer.num_training_batches)
        schedule = self.make_schedule(
            optimizer, num_steps=num_steps, steps_per_epoch=steps_per_epoch
        )
        return {"optimizer": optimizer, "lr_scheduler": cast("LRSchedulerConfigType", schedule)}

    def _parameter_groups(self) -> list[dict[str, Any]]:
        """Return the parameter groups of the network, equal ones merged."""
        groups = self.network.parameter_groups()
        merged: dict[tuple[float, bool], list[nn.Parameter]] = {}
        for group in groups:
            merged.setdefault((group["lr_scale"], group["decay"]), []).extend(group["params"])
        return [
            {"params": params, "lr_scale": lr_scale, "decay": decay}
            for (lr_scale, decay), params in merged.items()
            if params
        ]

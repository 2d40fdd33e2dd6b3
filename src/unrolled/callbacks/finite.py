"""Stops a run when its loss, gradients or weights are no longer finite."""

import math
from typing import Any

import torch
from jaxtyping import Int
from lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer

from unrolled.contracts import Batch
from unrolled.errors import NotFiniteError
from unrolled.lightning_internals import gradient_scaler

STEPS_BETWEEN_CHECKS = 50  # on a GPU, where each check waits for all work before it
MAX_SHOWN_IDS = 20


class StopNotFinite(Callback):
    """Checks loss and gradient norm of each batch, at once on a CPU, every 50 batches on a GPU.

    `BestAndLast` calls `check` before it writes a checkpoint.
    """

    def __init__(self) -> None:
        self._values: list[Tensor] = []  # loss + gradient norm of each unchecked batch
        self._places: list[tuple[int, int, float, Int[Tensor, " b"]]] = []

        self._rate = math.nan
        self._remedy = ""

    def on_before_optimizer_step(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        optimizer: Optimizer,
    ) -> None:
        """Record the learning rate, because the schedule changes it before the batch ends."""
        self._rate = optimizer.param_groups[0]["lr"]

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Record loss and gradient norm, and check them if a check is due."""
        loss: Tensor = outputs["loss"]
        if gradient_scaler(trainer) is None:
            loss = loss + pl_module.gradient_norm  # type: ignore[operator]
        if loss.device.type == "cpu" and math.isfinite(loss.item()):
            return
        if str(trainer.precision).startswith("16"):
            self._remedy = f", or trainer.precision=32-true in place of {trainer.precision}"
        self._values.append(loss)
        self._places.append((trainer.global_step, trainer.current_epoch, self._rate, batch.ids))
        if loss.device.type == "cpu" or len(self._values) >= STEPS_BETWEEN_CHECKS:
            self.check()

    def check(self) -> None:
        """Check the recorded numbers.

        Raises:
            NotFiniteError: one is not finite; names step, epoch, learning rate and sequences.
        """
        if not self._values:
            return
        finite = torch.isfinite(torch.stack(self._values)).tolist()
        places = list(zip(finite, self._places, strict=True))
        self._values.clear()
        self._places.clear()
        for is_finite, (step, epoch, rate, ids) in places:
            if not is_finite:
                shown = ", ".join(str(row) for row in ids[:MAX_SHOWN_IDS].tolist())
                more = f" and {len(ids) - MAX_SHOWN_IDS} more" if len(ids) > MAX_SHOWN_IDS else ""
                raise NotFiniteError(
                    f"loss or gradient is not finite at step {step} (epoch {epoch}, learning rate "
                    f"{rate:g}, sequences {shown}{more}); divide optimizer.lr by 10, or set "
                    f"trainer.gradient_clip_val=1{self._remedy}"
                )

    def require_finite_weights(self, pl_module: LightningModule) -> None:
        """Check the weights.

        Raises:
            NotFiniteError: a weight is not finite; names the parameter.
        """
        named = dict(pl_module.named_parameters())
        finite = torch.stack([torch.isfinite(p.detach()).all() for p in named.values()])
        if not bool(finite.all()):
            name = list(named)[finite.tolist().index(False)]
            raise NotFiniteError(f"the weights of {name} are not finite; try a lower optimizer.lr")

"""Stops a run whose numbers are no longer finite, and says where that began."""

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

STEPS_BETWEEN_LOOKS = 50  # on a GPU, where each look waits for everything before it
MAX_SHOWN_IDS = 20


class StopNotFinite(Callback):
    """Looks at loss and gradient norm of each batch: at once on a CPU, every 50 batches on a GPU.

    `look` is called before each checkpoint, so that none with such numbers is written.
    """

    def __init__(self) -> None:
        self._values: list[Tensor] = []  # loss + gradient norm of each batch not yet looked at
        self._places: list[tuple[int, int, float, Int[Tensor, " b"]]] = []

        self._rate = math.nan

    def on_before_optimizer_step(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        optimizer: Optimizer,
    ) -> None:
        """Note the learning rate: the schedule changes it before the batch ends."""
        self._rate = optimizer.param_groups[0]["lr"]

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Note loss and gradient norm, and look at them when it is time."""
        loss: Tensor = outputs["loss"]
        if gradient_scaler(trainer) is None:
            loss = loss + pl_module.gradient_norm  # type: ignore[operator]
        if loss.device.type == "cpu" and math.isfinite(loss.item()):
            return
        self._values.append(loss)
        self._places.append((trainer.global_step, trainer.current_epoch, self._rate, batch.ids))
        if loss.device.type == "cpu" or len(self._values) >= STEPS_BETWEEN_LOOKS:
            self.look()

    def look(self) -> None:
        """Refuse numbers that are not finite among those noted.

        Raises:
            NotFiniteError: names step, epoch, learning rate and sequences.
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
                    f"{rate:g}, sequences {shown}{more}); try a tenth of optimizer.lr, or "
                    "trainer.gradient_clip_val=1"
                )

    def require_finite_weights(self, pl_module: LightningModule) -> None:
        """Refuse weights that are not finite.

        Raises:
            NotFiniteError: names the parameter.
        """
        named = dict(pl_module.named_parameters())
        finite = torch.stack([torch.isfinite(p.detach()).all() for p in named.values()])
        if not bool(finite.all()):
            name = list(named)[finite.tolist().index(False)]
            raise NotFiniteError(f"the weights are not finite: {name}; try a lower optimizer.lr")

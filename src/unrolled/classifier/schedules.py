"""Learning rate schedules.

A schedule is called with the optimizer and the length of the run, and returns Lightning's
`lr_scheduler` dictionary. The length is known when training starts, so no config repeats it.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    ConstantLR,
    LambdaLR,
    LRScheduler,
    ReduceLROnPlateau,
)


class Schedule(ABC):
    """Changes the learning rate of each parameter group in proportion."""

    @abstractmethod
    def __call__(
        self, optimizer: Optimizer, *, num_steps: int, steps_per_epoch: int
    ) -> dict[str, Any]:
        """Return Lightning's `lr_scheduler` dictionary.

        num_steps: optimizer steps of the run.
        """


class Constant(Schedule):
    """Keeps the learning rate."""

    def __call__(
        self, optimizer: Optimizer, *, num_steps: int, steps_per_epoch: int
    ) -> dict[str, Any]:
        """Return the schedule; num_steps and steps_per_epoch have no influence."""
        return _every_step(ConstantLR(optimizer, factor=1.0, total_iters=0))


class Cosine(Schedule):
    """A linear warm-up followed by half a cosine. Loshchilov & Hutter (2017).

    warmup: fraction of the run with a rising learning rate, 0 <= warmup < 1.
    final_factor: factor on the learning rate at the end, 0 <= final_factor <= 1.

    Raises:
        ValueError: warmup or final_factor is out of range.
    """

    def __init__(self, *, warmup: float, final_factor: float) -> None:
        if not (0 <= warmup < 1 and 0 <= final_factor <= 1):
            raise ValueError(
                "need 0 <= scheduler.warmup < 1 and 0 <= scheduler.final_factor <= 1, "
                f"got {warmup} and {final_factor}"
            )
        self.warmup = warmup
        self.final_factor = final_factor

    def __call__(
        self, optimizer: Optimizer, *, num_steps: int, steps_per_epoch: int
    ) -> dict[str, Any]:
        """Return the schedule of a run of num_steps."""
        num_warmup = round(self.warmup * num_steps)

        def factor(step: int) -> float:
            if step < num_warmup:
                return (step + 1) / (num_warmup + 1)
            done = min((step - num_warmup) / max(num_steps - num_warmup, 1), 1.0)
            cosine = (1 + math.cos(math.pi * done)) / 2
            return self.final_factor + (1 - self.final_factor) * cosine

        return _every_step(LambdaLR(optimizer, factor))


class Step(Schedule):
    """Multiplies the learning rate by `factor` at each of `drops`.

    drops: fractions of the run, for example [0.5, 0.75], each 0 < drop < 1.

    Raises:
        ValueError: a drop is out of range.
    """

    def __init__(self, *, drops: Sequence[float], factor: float) -> None:
        if not all(0 < drop < 1 for drop in drops):
            raise ValueError(f"need 0 < drop < 1 for each of scheduler.drops, got {list(drops)}")
        self.drops = drops
        self.factor = factor

    def __call__(
        self, optimizer: Optimizer, *, num_steps: int, steps_per_epoch: int
    ) -> dict[str, Any]:
        """Return the schedule of a run of num_steps."""
        milestones = [round(drop * num_steps) for drop in self.drops]

        # not MultiStepLR, whose checkpoint would keep the milestones of the old length of the run
        def so_far(step: int) -> float:
            return self.factor ** sum(step >= milestone for milestone in milestones)

        return _every_step(LambdaLR(optimizer, so_far))


class Plateau(Schedule):
    """Multiplies the learning rate by `factor` when the score stops improving.

    The schedule is updated on the last batch of an epoch, so that the checkpoint at the end of the
    epoch contains it.

    monitor: the score, for example val/loss.
    mode: min or max.
    patience: epochs without improvement before the rate changes, >= 0.
    """

    def __init__(self, *, monitor: str, mode: str, factor: float, patience: int) -> None:
        self.monitor = monitor
        self.mode = mode
        self.factor = factor
        self.patience = patience

    def __call__(
        self, optimizer: Optimizer, *, num_steps: int, steps_per_epoch: int
    ) -> dict[str, Any]:
        """Return the schedule, which is updated every steps_per_epoch."""
        scheduler = ReduceLROnPlateau(
            optimizer,
            mode=self.mode,  # type: ignore[arg-type]
            factor=self.factor,
            patience=self.patience,
        )
        return {
            "scheduler": scheduler,
            "monitor": self.monitor,
            "interval": "step",
            "frequency": steps_per_epoch,
            "strict": False,
        }


def catch_up(scheduler: LRScheduler | ReduceLROnPlateau) -> None:
    """Set the learning rates to the schedule of the new length of a resumed run."""
    if isinstance(scheduler, LambdaLR):
        factors = [factor(scheduler.last_epoch) for factor in scheduler.lr_lambdas]
        for group, rate, factor in zip(
            scheduler.optimizer.param_groups, scheduler.base_lrs, factors, strict=True
        ):
            group["lr"] = rate * factor


def _every_step(scheduler: LRScheduler) -> dict[str, Any]:
    return {"scheduler": scheduler, "interval": "step"}

"""Takes what does nothing off the path of every training step.

Lightning calls every hook of every callback and of the module, enters a profiler's context for
each, whether or not somebody wrote the one or wants the other, and looks up the signature of
`training_step` anew. With ten callbacks that is most of what a step of a small network costs
beyond its arithmetic.
"""

import inspect
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.profilers import PassThroughProfiler

HOOKS_OF_A_STEP = (
    "on_train_batch_start",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_train_batch_end",
)


class NoProfiler(PassThroughProfiler):
    """Measures nothing, as Lightning's own, with one context for all."""

    nothing = nullcontext("")

    def profile(self, action_name: str) -> AbstractContextManager[Any]:  # type: ignore[override]
        """Return a context that does nothing."""
        return self.nothing


def shorten(trainer: Trainer, module: LightningModule) -> None:
    """Set each hook of a step that nobody wrote to None, which Lightning passes over.

    The signature of `training_step` is left where `inspect` looks first.
    """
    for owner in (*trainer.callbacks, module):  # type: ignore[attr-defined]
        base = Callback if isinstance(owner, Callback) else LightningModule
        for name in HOOKS_OF_A_STEP:
            if getattr(type(owner), name) is getattr(base, name):
                setattr(owner, name, None)
    step: Any = type(module).training_step
    step.__signature__ = inspect.signature(step)

"""Takes what does nothing off the path of every training step.

Lightning calls every hook of every callback and of the module, and enters a profiler's context for
each, whether or not somebody wrote it; with ten callbacks that is most of what a step of a small
network costs beyond its arithmetic. A hook that is None it passes over.
"""

from lightning import Callback, LightningModule, Trainer

HOOKS_OF_A_STEP = (
    "on_train_batch_start",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_train_batch_end",
)


def skip_empty_hooks(trainer: Trainer, module: LightningModule) -> None:
    """Set to None each hook of a step that callbacks and module inherit without a body."""
    for owner in (*trainer.callbacks, module):  # type: ignore[attr-defined]
        base = Callback if isinstance(owner, Callback) else LightningModule
        for name in HOOKS_OF_A_STEP:
            if getattr(type(owner), name) is getattr(base, name):
                setattr(owner, name, None)

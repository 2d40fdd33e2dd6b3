"""Ends a run that is counted in steps, and validates its last, unfinished epoch."""

from typing import Any

from lightning import Callback, Trainer

from unrolled.lightning_internals import has_done_max_steps


class StepBudget(Callback):
    """Sets `trainer.should_stop` after step `trainer.max_steps`.

    Lightning alone would end the run without a validation if the step is within an epoch. With
    `should_stop` it validates first, so the last weights can be the best ones, and a run shorter
    than an epoch has a best checkpoint.
    """

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Stop after the last step."""
        if has_done_max_steps(trainer):
            trainer.should_stop = True

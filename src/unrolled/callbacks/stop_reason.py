"""Why training ended before trainer.max_epochs."""

from lightning import Trainer
from lightning.pytorch.callbacks import EarlyStopping, Timer
from lightning.pytorch.callbacks.early_stopping import EarlyStoppingReason

from unrolled.lightning_internals import has_done_max_steps


def stop_reason(trainer: Trainer) -> str | None:
    """Return the reason, for example "trainer.max_time reached"; None if nothing stopped it."""
    if has_done_max_steps(trainer):
        return f"trainer.max_steps={trainer.max_steps} reached"
    if not trainer.should_stop:
        return None
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, EarlyStopping) and _has_stopped(callback):
            return f"early stopping: {_explain(callback, trainer)}"
        if isinstance(callback, Timer) and _is_over(callback):
            return "trainer.max_time reached"
        reason = getattr(callback, "stop_reason", None)  # for example of Pruning
        if reason is not None:
            return str(reason)
    return "a callback set trainer.should_stop"


def has_stopped_early(trainer: Trainer) -> bool:
    """Return whether early stopping ended the run, in this process or before a resume."""
    return any(map(_has_stopped, trainer.early_stopping_callbacks))


def _has_stopped(callback: EarlyStopping) -> bool:
    return callback.stopping_reason is not EarlyStoppingReason.NOT_STOPPED


def _is_over(timer: Timer) -> bool:
    remaining = timer.time_remaining()
    return remaining is not None and remaining <= 0


def _explain(callback: EarlyStopping, trainer: Trainer) -> str:
    by_epoch = trainer.val_check_interval == 1.0 and trainer.check_val_every_n_epoch == 1
    unit = "epochs" if by_epoch else "validations"
    if callback.stopping_reason is EarlyStoppingReason.PATIENCE_EXHAUSTED:
        return f"{callback.monitor} has not improved for {callback.wait_count} {unit}"
    return f"{callback.stopping_reason_message}"

"""Every use of private or undocumented members of Lightning, for lightning>=2.6.6,<2.7.

`tests/test_layers.py` checks that no other file uses them. Read this file again before you allow
a newer version in pyproject.toml.
"""

from functools import cache
from importlib.metadata import entry_points

from lightning import Trainer
from lightning.fabric.utilities import registry
from torch.amp.grad_scaler import GradScaler

from unrolled.errors import ConfigError, UnrolledError

# A new Trainer looks for callbacks in the metadata of every installed package. It takes a tenth of
# the time of a short run, and an ensemble has a Trainer for each member.
registry.entry_points = cache(entry_points)  # type: ignore[attr-defined, assignment]


def setup_train_batches(trainer: Trainer) -> None:
    """Build the training loader now, so that `trainer.num_training_batches` is known.

    Raises:
        ConfigError: trainer.val_check_interval is longer than an epoch, or the data and a setting
            of the batches do not fit.
    """
    try:
        trainer.fit_loop.setup_data()
    except UnrolledError:
        raise
    except ValueError as error:  # Lightning's only one here
        raise ConfigError(
            f"trainer.val_check_interval={trainer.val_check_interval}: an epoch has fewer batches "
            f"({trainer.num_training_batches}); to validate by the number of batches of the whole "
            "run, add trainer.check_val_every_n_epoch=null"
        ) from error


def num_batches_done(trainer: Trainer) -> int:
    """Return the training batches done since the start of the run."""
    return int(trainer.fit_loop.total_batch_idx) + 1


def num_batches_done_in_epoch(trainer: Trainer) -> int:
    """Return the training batches done in the current epoch."""
    return trainer.fit_loop.batch_idx + 1


def resumes_within_epoch(trainer: Trainer) -> bool:
    """Return whether training resumes from a checkpoint that was written within an epoch."""
    return bool(trainer.fit_loop.epoch_loop.restarting)


def end_epoch(trainer: Trainer) -> None:
    """Do what follows the last validation of a run that resumes from a checkpoint of it."""
    loop, fetcher = trainer.fit_loop, trainer.fit_loop._data_fetcher
    assert fetcher is not None
    loop.epoch_loop.run(fetcher)  # trains nothing: the run is over
    loop.epoch_loop._skip_next_val = True
    loop.epoch_loop.on_advance_end(fetcher)
    loop.on_advance_end()


def set_max_steps(trainer: Trainer, max_steps: int) -> None:
    """Change `trainer.max_steps`; -1 means no limit."""
    trainer.fit_loop.epoch_loop.max_steps = max_steps


def has_done_max_steps(trainer: Trainer) -> bool:
    """Return whether the run has done all steps of `trainer.max_steps`."""
    return 0 <= trainer.max_steps <= trainer.global_step


def ends_with_epoch(trainer: Trainer) -> bool:
    """Return whether the run ends with the epoch that is ending (`on_train_epoch_end`)."""
    loop = trainer.fit_loop
    num_epochs = trainer.current_epoch + 1
    return (
        has_done_max_steps(trainer)
        or (loop.max_epochs is not None and 0 <= loop.max_epochs <= num_epochs)
        or (trainer.should_stop and loop._can_stop_early)
    )


def continues_exactly(trainer: Trainer) -> bool:
    """Return whether training can resume bit for bit from the end of the current batch.

    It can if the next thing to happen is a batch with fresh gradients: no batch to accumulate, no
    validation, no end of the epoch.
    """
    loop = trainer.fit_loop.epoch_loop
    fetcher = trainer.fit_loop._data_fetcher
    assert fetcher is not None
    return not (
        loop._should_accumulate() or loop._is_training_done or loop._should_check_val_fx(fetcher)
    )


def gradient_scaler(trainer: Trainer) -> GradScaler | None:
    """Return the scaler of 16-bit training, None for other precisions."""
    scaler: GradScaler | None = getattr(trainer.precision_plugin, "scaler", None)
    return scaler

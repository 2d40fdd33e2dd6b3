"""The memory of a batch: checked before training, and named if it was not enough."""

from collections.abc import Iterator
from contextlib import contextmanager

from lightning import Trainer

from unrolled.building.network import Network
from unrolled.data.batches import Batches
from unrolled.data.module import SequenceDataModule
from unrolled.errors import OutOfMemoryError
from unrolled.memory import as_text, is_out_of_memory, out_of_memory, require_memory
from unrolled.stems.none import NoStem

BYTES = 4  # of a float32


def require_memory_for_batches(data: SequenceDataModule, network: Network) -> None:
    """Refuse a training batch whose hidden states cannot fit into the memory of this machine.

    A stem returns fewer steps, so a network with one is not checked.

    Raises:
        OutOfMemoryError: the hidden states of one layer need more than is available.
    """
    size = min(data.batch_size, len(data.parts.train))
    if not isinstance(network.stem, NoStem):
        return
    require_memory(
        BYTES * size * data.num_steps * network.encoder.output_size,
        what=f"the hidden states of a training batch of {size} sequences x {data.num_steps} steps "
        f"x {network.encoder.output_size} units",
        remedy=_remedy("data.batch_size", size),
    )


@contextmanager
def naming_batches(trainer: Trainer) -> Iterator[None]:
    """Name the batch that did not fit into memory.

    Raises:
        OutOfMemoryError: memory is full.
    """
    try:
        yield
    except OutOfMemoryError:
        raise
    except (RuntimeError, MemoryError, OSError) as error:
        if not is_out_of_memory(error):
            raise
        raise _named(error, trainer) from error


def _named(error: BaseException, trainer: Trainer) -> OutOfMemoryError:
    # validation comes first because it runs within training
    for kind, setting, loaders in (
        ("a test", "data.eval_batch_size", trainer.test_dataloaders),
        ("a validation", "data.eval_batch_size", trainer.val_dataloaders),
        ("a training", "data.batch_size", trainer.train_dataloader),
    ):
        for loader in loaders if isinstance(loaders, list) else [loaders]:
            if isinstance(loader, Batches) and loader.newest_shape is not None:
                size, num_steps, num_features = loader.newest_shape
                num_bytes = BYTES * size * num_steps * num_features
                return out_of_memory(
                    error,
                    what=f"{kind} batch of {size} sequences x {num_steps} steps x {num_features} "
                    f"features, which has {as_text(num_bytes)}, and what is computed from it",
                    remedy=_remedy(setting, size),
                )
    return out_of_memory(error, what="training", remedy="use a smaller model.hidden_size")


def _remedy(setting: str, size: int) -> str:
    if size > 1:
        return f"use {setting}={size // 2}"
    return "use a smaller model.hidden_size, or cut the sequences with data.max_length=STEPS"

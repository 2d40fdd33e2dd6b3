"""Settings of the process that trains: threads, memory, seeds, warnings, and error messages."""

import ctypes
import logging
import platform
import random
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from hydra.errors import InstantiationException
from lightning.fabric.utilities.exceptions import MisconfigurationException

from unrolled.errors import ConfigError, UnrolledError
from unrolled.memory import is_out_of_memory, out_of_memory
from unrolled.output import guard_logging
from unrolled.runs.durable import naming_storage

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # parameters of mallopt in glibc's malloc.h
LARGEST_INT = 2**31 - 1
OLD_LIMIT = 32 * 2**20  # bytes; older versions of glibc refuse a larger M_MMAP_THRESHOLD

# Warnings of Lightning that do not apply here.
UNFOUNDED_WARNINGS = (
    "The '.*' does not have many workers",
    "The number of training batches .* is smaller than the logging interval",
    "Checkpoint directory .* exists and is not empty",
    "GPU available but not used",
    "Total length of `list` across ranks is zero",  # no validation set, which we log ourselves
    "You're resuming from a checkpoint that ended before the epoch ended",
    ".*`isinstance\\(treespec, LeafSpec\\)` is deprecated",
)


def prepare_process(*, num_threads: int | None, keep_memory: bool) -> None:
    """Set up torch's arithmetic and memory, and silence warnings that do not apply.

    num_threads: threads of torch on the CPU, >= 1, or None for torch's default.
    keep_memory: whether freed memory stays with the process; see `keep_freed_memory`.
    """
    guard_logging()
    if keep_memory:
        keep_freed_memory()
    if num_threads is not None:
        torch.set_num_threads(num_threads)
    # Gradients that vanish through time fall below 1e-38, where a CPU is ten times slower.
    torch.set_flush_denormal(True)
    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.WARNING)
    logging.getLogger("lightning.pytorch.profilers").setLevel(logging.INFO)  # prints the profile
    logging.captureWarnings(capture=True)
    for message in UNFOUNDED_WARNINGS:
        warnings.filterwarnings("ignore", message=message)


def keep_freed_memory() -> None:
    """Let glibc keep freed blocks for the next training step; elsewhere, do nothing.

    By default glibc returns large blocks to the system, and the next step pays a page fault for
    every 4 KiB of them. No result changes.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    if not libc.mallopt(M_MMAP_THRESHOLD, LARGEST_INT):
        libc.mallopt(M_MMAP_THRESHOLD, OLD_LIMIT)
    libc.mallopt(M_TRIM_THRESHOLD, LARGEST_INT)


def seed_everything(seed: int) -> None:
    """Seed Python, numpy's global generator and torch, without setting environment variables.

    seed: >= 0.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - a user's class may draw from it
    torch.manual_seed(seed)


@contextmanager
def without_repeats() -> Iterator[None]:
    """Show each message once while several trainings on the same data run one after the other."""
    filters = {handler: _NewMessages() for handler in logging.getLogger().handlers}
    for handler, new_messages in filters.items():
        handler.addFilter(new_messages)
    try:
        yield
    finally:
        for handler, new_messages in filters.items():
            handler.removeFilter(new_messages)


class _NewMessages(logging.Filter):
    """Lets each message through once."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        is_new = message not in self.shown
        self.shown.add(message)
        return is_new


@contextmanager
def readable_errors() -> Iterator[None]:
    """Turn errors of libraries into errors that tell you what to change.

    Raises:
        ConfigError: Lightning or a class refused a setting, or the device lacks a precision.
        OutOfMemoryError: the memory of the machine or the GPU is full.
        StorageError: the disk is full, or a folder cannot be written.
    """
    try:
        with naming_storage():
            yield
    except UnrolledError:
        raise
    except InstantiationException as error:  # from objects that are built when training starts
        raise ConfigError(f"{error.__cause__ or error}") from error
    except MisconfigurationException as error:
        raise ConfigError(str(error)) from error
    except (RuntimeError, MemoryError, OSError) as error:
        if is_out_of_memory(error):
            smaller = "use a smaller data.batch_size or model.hidden_size"
            raise out_of_memory(error, what="the run", remedy=smaller) from error
        if re.search(
            r"bf16|bfloat16|half|mixed dtype|primitive descriptor", str(error), re.IGNORECASE
        ):
            raise ConfigError(
                f"trainer.precision: the model cannot be computed in it on this device ({error}); "
                "use trainer.precision=32-true"
            ) from error
        raise

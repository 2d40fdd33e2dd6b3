"""What a run sets in its process: threads, seeds, quiet libraries, errors that name a remedy."""

import ctypes
import logging
import platform
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from hydra.errors import InstantiationException
from lightning.fabric.utilities.exceptions import MisconfigurationException

from unrolled.errors import ConfigError, OutOfMemoryError, UnrolledError
from unrolled.runs.durable import naming_storage

# Parameters of mallopt in glibc's malloc.h. Before version 2.35 the first one is at most 32 MiB.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST_INT = 2**31 - 1

# Said by Lightning where it does not apply.
UNFOUNDED_WARNINGS = (
    "The '.*' does not have many workers",
    "The number of training batches .* is smaller than the logging interval",
    "Checkpoint directory .* exists and is not empty",
    "GPU available but not used",
    "Total length of `list` across ranks is zero",  # no val part, and we say so ourselves
    "You're resuming from a checkpoint that ended before the epoch ended",
    ".*`isinstance\\(treespec, LeafSpec\\)` is deprecated",
)


def prepare_process(*, num_threads: int | None, keep_memory: bool) -> None:
    """Set up torch's arithmetic and memory, and silence warnings that do not apply.

    num_threads: threads of torch on the CPU, >= 1, or None for torch's default.
    keep_memory: whether freed memory stays with the process; see `keep_freed_memory`.
    """
    if keep_memory:
        keep_freed_memory()
    if num_threads is not None:
        torch.set_num_threads(num_threads)
    # Gradients that vanish through time end below 1e-38, where a CPU takes ten times as long.
    torch.set_flush_denormal(True)
    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.WARNING)
    logging.getLogger("lightning.pytorch.profilers").setLevel(logging.INFO)  # asked for
    logging.captureWarnings(capture=True)
    for message in UNFOUNDED_WARNINGS:
        warnings.filterwarnings("ignore", message=message)


def keep_freed_memory() -> None:
    """Let glibc keep freed blocks for the next training step; elsewhere, do nothing.

    By default glibc returns blocks above 32 MiB to the system at once, and the next step pays a
    page fault for every 4 KiB of them. No result changes.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_THRESHOLD, LARGEST_INT) or libc.mallopt(M_MMAP_THRESHOLD, 32 << 20)
    libc.mallopt(M_TRIM_THRESHOLD, LARGEST_INT)


def seed_everything(seed: int) -> None:
    """Seed Python, numpy's old generator and torch, without touching the environment.

    seed: >= 0.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - for whatever a user's class may draw from
    torch.manual_seed(seed)


@contextmanager
def naming_remedies() -> Iterator[None]:
    """Turn what libraries raise for a user's mistake or a full machine into errors of ours."""
    try:
        with naming_storage():
            yield
    except UnrolledError:
        raise
    except InstantiationException as error:  # of what is made only when training starts
        raise ConfigError(f"{error.__cause__ or error}") from error
    except MisconfigurationException as error:
        raise ConfigError(str(error)) from error
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise OutOfMemoryError(f"out of memory: {error}; try half of data.batch_size") from error

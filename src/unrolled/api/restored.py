"""Leaves the logging and the threads of the caller's process as they were."""

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

LIBRARIES = ("lightning", "lightning.pytorch", "lightning.fabric", "lightning.pytorch.profilers")


@contextmanager
def restored() -> Iterator[None]:
    """Restore log handlers and levels, warning filters and torch's threads after this context.

    A run sets them for its process, which in a notebook is also the process of its user.
    """
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    loggers = [logging.getLogger(name) for name in LIBRARIES]
    before = [(logger, list(logger.handlers), logger.propagate, logger.level) for logger in loggers]
    captures = warnings.showwarning is getattr(logging, "_showwarning", None)
    threads = _num_threads()
    try:
        with warnings.catch_warnings():
            yield
    finally:
        for handler in root.handlers:
            if handler not in handlers:
                handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)
        for logger, its_handlers, propagate, its_level in before:
            logger.handlers[:] = its_handlers
            logger.propagate = propagate
            logger.setLevel(its_level)
        logging.captureWarnings(captures)
        if threads is not None:
            sys.modules["torch"].set_num_threads(threads)


@contextmanager
def quiet(*, verbose: bool) -> Iterator[None]:
    """Log nothing but errors in this context, or print what a run logs if `verbose`."""
    logger = logging.getLogger("unrolled")
    before, handler = logger.level, logging.StreamHandler(sys.stdout)
    logger.setLevel(logging.INFO if verbose else logging.ERROR)
    if verbose:
        logger.addHandler(handler)
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)


def _num_threads() -> int | None:
    """Return torch's number of threads, or None if it is not imported yet."""
    torch = sys.modules.get("torch")
    return None if torch is None else int(torch.get_num_threads())

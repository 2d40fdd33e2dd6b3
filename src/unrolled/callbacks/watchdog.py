"""Reports where a run hangs, for example in a data loader."""

import faulthandler
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from lightning import Callback

RESTART_AFTER = 0.1  # of the allowed time: each restart of the alarm starts a thread


class Watchdog(Callback):
    """Writes the stack of every thread to standard error if no batch ends for a long time.

    The alarm is a thread of faulthandler, which needs no lock of Python, so it also reports calls
    that hang in a library. The run continues.

    minutes: time without a batch of training or evaluation until the report, > 0.
    """

    def __init__(self, *, minutes: float) -> None:
        if not minutes > 0:
            raise ValueError(f"need callbacks.watchdog.minutes > 0, got {minutes}")
        self.seconds = 60 * minutes
        self._set_at = 0.0

    def setup(self, *_: Any, **__: Any) -> None:
        """Start the alarm."""
        self._set()

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        """Restart the alarm."""
        self._restart()

    def on_validation_batch_end(self, *_: Any, **__: Any) -> None:
        """Restart the alarm."""
        self._restart()

    def on_test_batch_end(self, *_: Any, **__: Any) -> None:
        """Restart the alarm."""
        self._restart()

    def on_exception(self, *_: Any) -> None:
        """Stop the alarm."""
        faulthandler.cancel_dump_traceback_later()

    def teardown(self, *_: Any, **__: Any) -> None:
        """Stop the alarm."""
        faulthandler.cancel_dump_traceback_later()

    def _restart(self) -> None:
        if monotonic() - self._set_at > RESTART_AFTER * self.seconds:
            self._set()

    def _set(self) -> None:
        self._set_at = monotonic()
        _start(self.seconds)


@contextmanager
def watching(minutes: float | None) -> Iterator[None]:
    """Watch what happens before there are batches, such as the loading of data.

    minutes: time until the report, or None for no report.
    """
    if minutes is not None:
        _start(60 * minutes)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _start(seconds: float) -> None:
    if sys.__stderr__ is not None:
        faulthandler.dump_traceback_later(seconds, repeat=True, file=sys.__stderr__)

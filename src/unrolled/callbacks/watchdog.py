"""Says where a run hangs: a loader or a step that takes far too long."""

import faulthandler
import sys
from time import monotonic
from typing import Any

from lightning import Callback

SHARE_BETWEEN_SIGNS_OF_LIFE = 0.1  # of the time allowed: setting the alarm takes a thread each time


class Watchdog(Callback):
    """Writes the stack of every thread to standard error when nothing has happened for too long.

    The alarm is a thread of faulthandler's, which waits for no lock of Python: a call that hangs
    in a library is reported too. The run is not ended.

    minutes: without a batch, of training or evaluation, until the report; > 0.
    """

    def __init__(self, *, minutes: float) -> None:
        if not minutes > 0:
            raise ValueError(f"need callbacks.watchdog.minutes > 0, got {minutes}")
        self.seconds = 60 * minutes
        self._set_at = 0.0

    def setup(self, *_: Any, **__: Any) -> None:
        """Set the alarm."""
        self._set()

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        """Take the batch as a sign of life."""
        self._heard()

    def on_validation_batch_end(self, *_: Any, **__: Any) -> None:
        """Take the batch as a sign of life."""
        self._heard()

    def on_test_batch_end(self, *_: Any, **__: Any) -> None:
        """Take the batch as a sign of life."""
        self._heard()

    def on_exception(self, *_: Any) -> None:
        """Switch the alarm off."""
        faulthandler.cancel_dump_traceback_later()

    def teardown(self, *_: Any, **__: Any) -> None:
        """Switch the alarm off."""
        faulthandler.cancel_dump_traceback_later()

    def _heard(self) -> None:
        if monotonic() - self._set_at > SHARE_BETWEEN_SIGNS_OF_LIFE * self.seconds:
            self._set()

    def _set(self) -> None:
        self._set_at = monotonic()
        if sys.__stderr__ is not None:
            faulthandler.dump_traceback_later(self.seconds, repeat=True, file=sys.__stderr__)

"""Ends a run on SIGINT (Ctrl-C), SIGTERM, SIGHUP (terminal closed) or SIGUSR1 (from SLURM)."""

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from lightning import Callback

from unrolled.errors import STOP_SIGNALS, RunInterruptedError

NUMBERS = [signal.Signals[name] for name in STOP_SIGNALS]


class StopSignals(Callback):
    """Stops training at the next exact checkpoint; outside of training, stops at once.

    Use it as a context manager around a run, and as a callback of its Trainer. A second signal
    ends the process at once.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._waits = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.getsignal(number) for number in NUMBERS}
        self._install()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def on_train_start(self, *_: Any) -> None:
        """Install the handlers again: Lightning has replaced them."""
        self._waits = True
        self._install()

    def on_train_end(self, *_: Any) -> None:
        """End the run if a signal arrived after the last checkpoint."""
        self._waits = False
        self.end_if_received()

    def on_exception(self, *_: Any) -> None:
        """End the run at once if a signal arrives from now on."""
        self._waits = False

    def end_if_received(self) -> None:
        """End the run if a signal arrived.

        Raises:
            RunInterruptedError: a signal arrived.
        """
        if self.received is not None:
            raise RunInterruptedError(self.received)

    def _install(self) -> None:
        for number in self._before:
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        self.received = number
        if not self._waits:
            self.end_if_received()
        name = signal.Signals(number).name
        text = f"\n{name}: waiting for the next checkpoint; send it again to end at once\n"
        os.write(2, text.encode())  # not print, which the signal may have interrupted

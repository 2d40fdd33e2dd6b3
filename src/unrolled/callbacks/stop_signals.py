"""Signals that ask a run to end: Ctrl-C, SIGTERM, a lost terminal, a scheduler's warning."""

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from lightning import Callback

from unrolled.errors import STOP_SIGNALS, RunInterruptedError

NUMBERS = [signal.Signals[name] for name in STOP_SIGNALS]


class StopSignals(Callback):
    """While training runs, remembers a signal until a checkpoint can be exact; else obeys at once.

    It is a context manager around everything that a run does, and a callback that knows when
    training runs. A second signal ends the process at once.
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
        """Replace the handlers that Lightning has put in place of ours."""
        self._waits = True
        self._install()

    def on_train_end(self, *_: Any) -> None:
        """Obey what came too late for a checkpoint, and from now on at once."""
        self._waits = False
        self.obey()

    def on_exception(self, *_: Any) -> None:
        """Obey at once from now on."""
        self._waits = False

    def obey(self) -> None:
        """End the run if a signal came; a checkpoint has been written.

        Raises:
            RunInterruptedError: a signal came.
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
            self.obey()
        name = signal.Signals(number).name
        text = f"\n{name}: waiting for the next checkpoint; once more ends at once\n"
        os.write(2, text.encode())  # not print: the signal may have come in the middle of one

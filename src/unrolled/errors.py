"""The errors that users can fix, and the exit code of each on the command line.

Codes: 2 config, 3 data, 4 checkpoint, 5 not finite, 6 storage, 7 memory, 128 + n for signal n,
and 1 for any other error. For example, `unrolled train seed=x` exits with 2.
"""

import signal
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# Signals that end a run, and the exit code of each. SIGUSR1 is sent by SLURM before the time limit.
STOP_SIGNALS = {
    name: 128 + getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
}


class UnrolledError(Exception):
    """An error whose message names the place, the value found, and what to type instead."""

    exit_code: int = 1

    def _render_traceback_(self) -> list[str]:
        """Return what IPython and Jupyter print in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class ConfigError(UnrolledError, ValueError):
    """A setting is wrong or does not fit the others."""

    exit_code = 2


class DataError(UnrolledError, ValueError):
    """Data is missing, damaged or does not fit the run."""

    exit_code = 3


class CheckpointError(UnrolledError):
    """A checkpoint or run folder is missing, damaged or does not fit."""

    exit_code = 4


class NotFiniteError(UnrolledError, ArithmeticError):
    """A loss, gradient or weight became NaN or infinite."""

    exit_code = 5


class StorageError(UnrolledError, OSError):
    """A disk is full, or a folder cannot be written."""

    exit_code = 6


class OutOfMemoryError(UnrolledError, MemoryError):
    """The machine or the GPU ran out of memory."""

    exit_code = 7


class SweepError(UnrolledError):
    """Some jobs of a sweep failed; the others are done."""


class ExportError(UnrolledError):
    """An exported file does not compute what the run computes."""


class ContractError(UnrolledError):
    """A network breaks a rule that every network must obey; `unrolled check` lists the rules."""


class RunInterruptedError(UnrolledError):
    """A signal ended the run, which can be resumed.

    signum: number of the signal, such as 15 for SIGTERM.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(signum).name}")
        self.exit_code = 128 + signum


def closest(word: str, known: "Iterable[str]") -> str | None:
    """Return the known word that a word resembles most, or None if it resembles none."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def did_you_mean(word: str, known: "Iterable[str]") -> str:
    """Return "; did you mean 'x'?" for the closest of the known words, else an empty string."""
    close = closest(word, known)
    return f"; did you mean {close!r}?" if close else ""

"""Progress bars: one for a terminal, and one for a Jupyter notebook."""

import html
import math
import sys
from abc import ABC, abstractmethod
from datetime import timedelta
from time import perf_counter
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class Bar(ABC):
    """A bar that is shown from its creation on."""

    @abstractmethod
    def update(self, *, completed: float, description: str, scores: str) -> None:
        """Show how many batches are done."""

    @abstractmethod
    def stop(self) -> None:
        """Leave the bar as it is."""


def in_notebook() -> bool:
    """Return whether the process is the kernel of a Jupyter notebook."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and hasattr(shell, "kernel")


def new_bar(*, total: float) -> Bar:
    """Return the bar that fits the place of the output.

    total: batches of the run, infinite if unknown.
    """
    return NotebookBar(total=total) if in_notebook() else TerminalBar(total=total)


class TerminalBar(Bar):
    """A bar of rich."""

    def __init__(self, *, total: float) -> None:
        self.progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[scores]}", markup=False),
            TimeRemainingColumn(),
            TextColumn("left"),
        )
        self.task = self.progress.add_task(
            "epoch", total=total if math.isfinite(total) else None, scores=""
        )
        self.progress.start()

    def update(self, *, completed: float, description: str, scores: str) -> None:
        """Show how many batches are done."""
        self.progress.update(self.task, completed=completed, description=description, scores=scores)

    def stop(self) -> None:
        """Leave the bar as it is."""
        self.progress.stop()


class NotebookBar(Bar):
    """A bar in HTML. It needs no widgets, which many notebooks lack, and is saved with the cell."""

    def __init__(self, *, total: float) -> None:
        from IPython.display import display

        self.total = total
        self.started_at = perf_counter()
        self.first: float | None = None
        show: Any = display  # IPython has no types
        self.handle = show(self._content(0, "epoch", ""), raw=True, display_id=True)

    def update(self, *, completed: float, description: str, scores: str) -> None:
        """Show how many batches are done."""
        self.handle.update(self._content(completed, description, scores), raw=True)

    def stop(self) -> None:
        """Leave the bar as it is."""

    def _content(self, completed: float, description: str, scores: str) -> dict[str, str]:
        left = self._left(completed)
        text = "  ".join(filter(None, (description, scores, left)))
        size = f' value="{completed:g}" max="{self.total:g}"' if math.isfinite(self.total) else ""
        bar = f"<progress{size}></progress>"
        words = [html.escape(description), bar, html.escape(scores), html.escape(left)]
        return {"text/plain": text, "text/html": " ".join(filter(None, words))}

    def _left(self, completed: float) -> str:
        """Return the time left, at the pace since the first update."""
        if self.first is None:
            self.first = completed
            return ""
        done = completed - self.first
        if done <= 0 or not math.isfinite(self.total):
            return ""
        seconds = (perf_counter() - self.started_at) / done * max(self.total - completed, 0)
        return f"{timedelta(seconds=round(seconds))} left"

"""A logger that writes `metrics.csv`: a row per epoch with training and validation scores."""

import csv
import math
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from unrolled.runs.durable import sync, write_atomically

SECONDS_BETWEEN_WRITES = 1.0  # `save` is called after every epoch, which may take milliseconds


class MetricsCSV(Logger):
    """Merges the scores of a step into one row. Test scores have their own row.

    The file is written at most once per second, before each checkpoint, and at the end.

    save_dir: folder of `metrics.csv`.
    purge_step: step at which a run resumes, >= 1: rows before it are kept, later ones are
        computed again. None for a new run.
    """

    def __init__(self, *, save_dir: str, purge_step: int | None) -> None:
        super().__init__()
        self.path = Path(save_dir) / "metrics.csv"
        self.rows: dict[tuple[int, bool], dict[str, Any]] = {}
        self._has_new_scores = False
        self._written_at = -math.inf
        if purge_step is not None and self.path.is_file():
            self._read_rows_before(purge_step)

    def _read_rows_before(self, step: int) -> None:
        with self.path.open(newline="") as file:
            for row in csv.DictReader(file):
                is_test = any(row[name] for name in row if name.startswith("test/"))
                if not is_test and int(row["step"]) < step:
                    filled = {name: value for name, value in row.items() if value}
                    self.rows[int(row["step"]), False] = filled

    @property
    def name(self) -> str:
        """Name of the table."""
        return "metrics"

    @property
    def version(self) -> str:
        """Always empty: a run folder has one table."""
        return ""

    @property
    @rank_zero_experiment
    def experiment(self) -> "MetricsCSV":
        """This logger."""
        return self

    @rank_zero_only
    def log_hyperparams(
        self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any
    ) -> None:
        """Do nothing: config.yaml has the settings."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add the scores to the row of their step."""
        is_test = any(name.startswith("test/") for name in metrics)
        row = self.rows.setdefault((step or 0, is_test), {})
        row |= {"epoch": metrics.get("epoch", ""), "step": step or 0}
        row |= {name: repr(float(value)) for name, value in metrics.items() if name != "epoch"}
        self._has_new_scores = True

    @rank_zero_only
    def save(self) -> None:
        """Write the table if the last time is a second ago."""
        if monotonic() - self._written_at >= SECONDS_BETWEEN_WRITES:
            self._write()

    def _write(self) -> None:
        """Write the whole table atomically, if it has new scores."""
        if not self._has_new_scores:
            return
        columns = dict.fromkeys(name for row in self.rows.values() for name in row)

        def write(path: Path) -> None:
            with path.open("w", newline="") as file:
                writer = csv.DictWriter(file, fieldnames=list(columns), restval="")
                writer.writeheader()
                writer.writerows(self.rows.values())

        write_atomically(self.path, write, durable=False)
        self._has_new_scores = False
        self._written_at = monotonic()

    @rank_zero_only
    def sync(self) -> None:
        """Write the table and wait until it is on the disk, before a checkpoint."""
        self._write()
        if self.path.is_file():
            sync(self.path)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write the table."""
        self._write()

"""Runs that are not done, with the ends of their logs."""

from collections.abc import Iterator

from unrolled.reports.comparison import Comparison
from unrolled.reports.pages.page import Log, Section
from unrolled.runs.run_folder import RunFolder

MAX_LOGS = 30
NUM_LOG_LINES = 25


def failures(comparison: Comparison) -> Iterator[Section]:
    """Yield the section, if there are any."""
    found = comparison.failures
    if not found:
        return
    logs = [
        Log(
            run.path.name,
            f"{run.state}"
            + ("" if run.exit_code is None else f", exit code {run.exit_code}")
            + f": {run.error}",
            RunFolder(run.path).log_end(NUM_LOG_LINES),
        )
        for run in found[:MAX_LOGS]
    ]
    notes = [f"The first {MAX_LOGS} of {len(found)}."] if len(found) > MAX_LOGS else []
    yield Section(f"Runs that are not done: {len(found)}", notes=notes, logs=logs)

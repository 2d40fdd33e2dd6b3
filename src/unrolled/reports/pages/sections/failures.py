"""Runs that are not done, with the ends of their logs."""

from collections.abc import Iterator
from html import escape

from unrolled.reports.comparison import Comparison
from unrolled.reports.pages.page import MAX_CHARACTERS, Log, Section
from unrolled.runs.run_folder import RunFolder

MAX_LOGS = 30
NUM_LOG_LINES = 25


def failures(comparison: Comparison) -> Iterator[Section]:
    """Yield the section, if there are any."""
    found = comparison.failures
    if not found:
        return
    logs: list[Log] = []
    num_characters = 0
    for run in found[:MAX_LOGS]:
        exit_code = "" if run.exit_code is None else f", exit code {run.exit_code}"
        lines = RunFolder(run.path).log_end(NUM_LOG_LINES)
        log = Log(run.path.name, f"{run.state}{exit_code}: {run.error}", lines)
        num_characters += sum(len(escape(text)) for text in (log.title, log.reason, log.lines))
        if logs and num_characters > MAX_CHARACTERS:
            break
        logs.append(log)
    notes = []
    if len(found) > len(logs):
        notes.append(f"The first {len(logs)} of {len(found)}. The file sweep.md has all reasons.")
    yield Section(f"Runs that are not done: {len(found)}", notes=notes, logs=logs)

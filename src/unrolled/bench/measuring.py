"""Measures the chosen parts one after the other, prints each, and writes the record."""

import importlib
import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from unrolled.bench.figures import draw_figures
from unrolled.bench.machine import machine, product_rates
from unrolled.bench.pairs import Case, Row, measure_in_rounds
from unrolled.bench.record import NAME, Record
from unrolled.bench.settings import Settings
from unrolled.bench.tables import show_rows, show_summary
from unrolled.output import echo
from unrolled.training.process import prepare_process

# The module of each part; the function has the name of the part.
MODULES = {
    "steps": "steps",
    "inference": "steps",
    "loop": "loop",
    "length": "steps",
    "startup": "startup",
    "reading": "reading",
    "predict": "predicting",
    "threads": "steps",
}


def measure(settings: Settings, folder: Path) -> Record:
    """Return what was measured; it is printed, and written to the folder with its figures.

    Raises:
        ConfigError: a model or a setting of the loop cannot be measured.
        StorageError: the folder cannot be written.
    """
    prepare_process(num_threads=1, keep_memory=settings.keep_memory)
    rates = product_rates()
    rows: list[Row] = []
    for part in settings.parts:
        with _quiet():
            found = _measured(part, settings)
        show_rows(found, best_rate=max(rates.values()))
        rows += found
    record = Record(settings.measured(), machine(), rates, rows)
    show_summary(record)
    folder.mkdir(parents=True, exist_ok=True)
    record.write(folder / NAME)
    names = draw_figures(rows, folder)
    for path in (NAME, *(f"figures/{name}.png" for name in names)):
        echo(f"wrote:   {folder / path}")
    return record


def _measured(part: str, settings: Settings) -> list[Row]:
    """Return the rows of a part, in the order in which its module yields them."""
    module = importlib.import_module(f"unrolled.bench.{MODULES[part]}")
    function: Callable[[Settings, Path], Iterator[Case | Row]] = getattr(module, part)
    pairs = settings.startup_pairs if part == "startup" else settings.pairs
    with tempfile.TemporaryDirectory() as folder:
        found = list(function(settings, Path(folder)))
        cases = [case for case in found if isinstance(case, Case)]
        measured = iter(measure_in_rounds(cases, pairs=pairs))
        return [next(measured) if isinstance(item, Case) else item for item in found]


@contextmanager
def _quiet() -> Iterator[None]:
    """Log nothing but errors of the runs that are measured."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)

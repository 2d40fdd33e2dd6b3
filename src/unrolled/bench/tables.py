"""Tables of a bench in a terminal."""

import math
from collections.abc import Sequence

from unrolled.bench.comparison import Change
from unrolled.bench.pairs import CONFIDENCE, Row
from unrolled.bench.record import Record
from unrolled.output import echo
from unrolled.reports.console import NEVER_DROPPED, Column, fitting_table, make_console

TITLES = {
    "steps": "training step: forward and backward",
    "inference": "inference: forward without gradients",
    "loop": "epoch of training and validation",
    "length": "training step by length of the sequences",
    "startup": "new processes",
    "reading": "reading files",
    "predict": "prediction",
    "threads": "training step with several threads",
}
# The column with the lowest is dropped first where the terminal is narrow.
PRIORITIES = {
    "reference": 0,
    "ratio before": 0,
    "now": 0,
    "GFLOP/s": 1,
    "compared with": 2,
    "sequences/s": 3,
    "of product": 4,
}


def show_rows(rows: Sequence[Row], *, best_rate: float) -> None:
    """Print the table of one part.

    best_rate: of a matrix product, in flops per second.
    """
    part = rows[0].part
    cells = {
        TITLES[part]: [row.name for row in rows],
        "time": [amount(row.typical, row.unit) for row in rows],
        "reference": [amount(row.typical_reference, row.unit) for row in rows],
        "compared with": [row.reference for row in rows],
        "ratio": [str(row.ratio()) for row in rows],
        "sequences/s": [_rate(row.num_sequences, row.typical, "{:,.0f}") for row in rows],
        "GFLOP/s": [_rate(row.flops, 1e9 * row.typical, "{:.1f}") for row in rows],
        "of product": [_rate(row.flops, row.typical * best_rate / 100, "{:.0f} %") for row in rows],
    }
    if any(row.unit == "bytes" for row in rows):
        cells = {"time or size" if key == "time" else key: value for key, value in cells.items()}
    _show(cells)
    exponents = growth(rows)
    if exponents:
        sizes = [row.size for row in rows if row.size is not None]
        heading = f"time grows with steps^k, {min(sizes):,} to {max(sizes):,} steps"
        names, ours, theirs = (list(column) for column in zip(*exponents, strict=True))
        _show({heading: names, "k": ours, "k of torch.nn": theirs})


def growth(rows: Sequence[Row]) -> list[tuple[str, str, str]]:
    """Return each model of the part length, and its exponent of growth and its reference's."""
    found = []
    by_model: dict[str, list[Row]] = {}
    for row in rows:
        if row.size is not None:
            by_model.setdefault(model_of(row), []).append(row)
    for model, sized in by_model.items():
        first, *_, last = sorted(sized, key=lambda row: row.size or 0)
        if len(sized) > 1 and first.size and last.size and first.size < last.size:
            factor = math.log(last.size / first.size)
            ours = math.log(last.typical / first.typical) / factor
            theirs = math.log(last.typical_reference / first.typical_reference) / factor
            found.append((model, f"{ours:.2f}", f"{theirs:.2f}"))
    return found


def show_summary(record: Record) -> None:
    """Print what the numbers were measured on."""
    hardware = record.machine["hardware"]
    versions = record.machine["versions"]
    rates = ", ".join(f"{name} {rate / 1e9:.0f}" for name, rate in record.product_rates.items())
    memory = "kept" if record.settings["keep_memory"] else "returned to the system"
    for line in (
        f"cpu:     {hardware['cpu']} ({' '.join(hardware['cpu_flags'])}), one thread",
        f"torch:   {versions['torch']}, freed memory is {memory}",
        f"product: of two 1,024 x 1,024 matrices, GFLOP/s: {rates}",
        f"ratio:   geometric mean of the pairs, with {100 * CONFIDENCE:.0f} % interval",
        "time:    median of CPU time; of wall-clock time in the part threads",
    ):
        echo(line)


def show_changes(found: Sequence[Change], notes: Sequence[str]) -> None:
    """Print what has changed since another bench.

    notes: differences between the machines.
    """
    for note in notes:
        echo(f"differs: {note}")
    if not found:
        echo("no row was measured in both")
        return
    _show(
        {
            "row": [f"{change.new.part}: {change.new.name}" for change in found],
            "ratio before": [f"{change.old.ratio().value:.2f}" for change in found],
            "now": [f"{change.new.ratio().value:.2f}" for change in found],
            "new / old": [str(change.factor) for change in found],
            "result": [change.verdict for change in found],
        }
    )
    shown = [change for change in found if change.verdict in ("slower", "faster", "more", "less")]
    echo(f"{len(shown)} of {len(found)} rows show a change")


def _show(cells: dict[str, list[str]]) -> None:
    columns = [
        Column(
            header,
            tuple(values),
            priority=PRIORITIES.get(header, NEVER_DROPPED),
            is_whole=number > 0,
        )
        for number, (header, values) in enumerate(cells.items())
        if any(values)
    ]
    console = make_console()
    table, _ = fitting_table(columns, console)
    console.print(table)


def amount(value: float, unit: str) -> str:
    """Return a time or a size in a unit that suits it, for example 12.3 ms."""
    if unit == "bytes":
        return f"{value / 1e6:.1f} MB"
    for size, name in ((1.0, "s"), (1e-3, "ms")):
        if value >= size:
            return f"{value / size:.3g} {name}"
    return f"{value / 1e-6:.3g} µs"


def _rate(count: float | None, per: float, form: str) -> str:
    return "" if count is None else form.format(count / per)


def model_of(row: Row) -> str:
    """Return the name of a row without its number of steps."""
    return row.name.removesuffix(f" {row.size} steps")

"""Draws curves as text."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from rich.console import Console
from rich.text import Text

from unrolled.scales import num_digits

HEIGHT = 9  # lines of a plot
MOST_COLUMNS = 100  # characters
SIGNS = {"train": ("·", "."), "val": ("●", "o")}  # the second ones where the first are not encoded
STYLES = {"train": "blue", "val": "yellow"}

Curve = Sequence[tuple[float, float]]  # (epoch, value), in the order of epochs


def plot(title: str, curves: Mapping[str, Curve], console: Console) -> list[Text]:
    """Return the lines of a plot of curves against the epoch, with axes.

    Epochs that share a column are averaged.

    curves: of train and val, which have different signs. At least one value.
    """
    values = [value for curve in curves.values() for _, value in curve]
    low, high = min(values), max(values)
    digits = num_digits((low, high), least=4)
    labels = [f"{bound:.{digits}g}" for bound in (high, low)]
    margin = max(map(len, labels))
    epochs = sorted({epoch for curve in curves.values() for epoch, _ in curve})
    first, last = epochs[0], epochs[-1]
    most = min(console.width, MOST_COLUMNS) - margin - 2
    num = round(last - first)
    width = max(1, min(most, num * (4 if num < 20 else 1) + 1))

    def column(epoch: float) -> int:
        return round((epoch - first) / (last - first) * (width - 1)) if last > first else 0

    can_encode = "utf" in console.encoding
    cells = [[(" ", "")] * width for _ in range(HEIGHT)]
    for name, curve in curves.items():
        columns: dict[int, list[float]] = {}
        for epoch, value in curve:
            columns.setdefault(column(epoch), []).append(value)
        for x, some in columns.items():
            share = (high - fmean(some)) / (high - low) if high > low else 0
            sign = SIGNS[name][0 if can_encode else 1]
            cells[round(share * (HEIGHT - 1))][x] = (sign, STYLES[name])
    edges = {0: labels[0], HEIGHT - 1: labels[1]}
    signs = ", ".join(f"{SIGNS[name][0 if can_encode else 1]} {name}" for name in curves)
    lines = [Text(f"{title} ({signs})")]
    for number, row in enumerate(cells):
        line = Text.assemble(f"{edges.get(number, ''):>{margin}} |", *row)
        line.rstrip()
        lines.append(line)
    axis = f"{first:g}"
    if last > first:
        axis = f"{axis}{f'{last:g}':>{max(0, width - len(axis))}}"
    lines.append(Text(f"{'':{margin + 2}}{axis}  epoch"))
    return lines

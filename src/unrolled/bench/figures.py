"""Figures of a bench: the ratio of each row to its reference, and growth with length."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unrolled.bench.pairs import Row
from unrolled.bench.settings import PARTS
from unrolled.bench.tables import model_of
from unrolled.reports.pages.colours import LIGHT, SERIES
from unrolled.reports.pages.figures import Figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RATIOS = {  # figures of ratios, and their parts
    "networks": ("steps", "inference", "loop", "threads"),
    "files": ("startup", "reading", "predict"),
}
STYLES = {"native": "-", "torch": ":"}  # lines by kernel


def draw_figures(rows: Sequence[Row], folder: Path) -> list[str]:
    """Write the figures as PNG and SVG to the subfolder figures, and return their names."""
    figures = Figures(folder)
    names = []
    for name, parts in RATIOS.items():
        chosen = [row for row in rows if row.part in parts]
        if chosen:
            _draw_ratios(name, chosen, figures)
            names.append(name)
    sized = [row for row in rows if row.size is not None]
    if len({row.size for row in sized}) > 1:
        _draw_growth(sized, figures)
        names.append("growth")
    return names


def _draw_ratios(name: str, rows: Sequence[Row], figures: Figures) -> None:
    def draw(axes: "Axes") -> None:
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

        values = [1.0, *(row.ratio().value for row in rows)]
        subs = (1, 2, 5) if max(values) > 10 * min(values) else (1, 1.5, 2, 3, 5, 7)
        axes.axvline(1, color=LIGHT["muted"], linewidth=1)
        for number, row in enumerate(rows):
            ratio = row.ratio()
            colour = SERIES[PARTS.index(row.part) % len(SERIES)]
            if ratio.low is not None and ratio.high is not None:
                axes.plot([ratio.low, ratio.high], [number] * 2, color=colour, linewidth=2)
            axes.plot([ratio.value], [number], "o", color=colour, markersize=5)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=subs, numticks=30))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlim(min(values) / 1.3, max(values) * 1.3)  # a long interval is cut off
        axes.set_yticks(range(len(rows)), [f"{row.part}: {row.name}" for row in rows], fontsize=9)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel("ratio to the reference, with 95 % interval (less is better)")

    title = "ratio to the reference measured in the same pairs"
    height = 1.0 + 0.22 * len(rows)
    figures.draw(name, title=title, height=height, width=7.5, draw=draw)


def _draw_growth(rows: Sequence[Row], figures: Figures) -> None:
    lines: dict[str, dict[int, float]] = {}
    for row in rows:
        assert row.size is not None
        name = model_of(row)
        lines.setdefault(name, {})[row.size] = 1e3 * row.typical
        lines.setdefault(row.reference, {})[row.size] = 1e3 * row.typical_reference

    def draw(axes: "Axes") -> None:
        from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

        models = list(dict.fromkeys(_model(name) for name in lines))
        for name in sorted(lines, key=lambda name: ("torch.nn" in name, name)):
            kernel = name.split(" ")[-1]
            style = "--" if "torch.nn" in name else STYLES.get(kernel, "-")
            colour = SERIES[models.index(_model(name)) % len(SERIES)]
            points = zip(*sorted(lines[name].items()), strict=True)
            axes.plot(*points, style, marker="o", color=colour, markersize=3, label=name)
        axes.set_xscale("log")
        axes.set_yscale("log")
        sizes = sorted({size for line in lines.values() for size in line})
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set(xlabel="steps of a sequence", ylabel="CPU time of a training step, ms")
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))

    title = "time of a training step by length of the sequences"
    height = max(3.6, 0.2 * len(lines) + 1)
    figures.draw("growth", title=title, height=height, width=6.5, draw=draw)


def _model(name: str) -> str:
    """Return the model of a line, for example gru of torch.nn.GRU and of "gru native"."""
    return name.removeprefix("torch.nn.").split(" ")[0].lower()

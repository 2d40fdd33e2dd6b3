"""Draws figures, saves them as SVG and PNG, and embeds them in a page."""

import base64
import io
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unrolled.output import short_figure_text
from unrolled.reports.naming import LONGEST_NAME
from unrolled.reports.pages.colours import LIGHT, SERIES, follow_page
from unrolled.reports.pages.page import Picture
from unrolled.runs.durable import write_bytes, write_text
from unrolled.scales import num_digits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FOLDER = "figures"
WIDTH = 5.2  # inches
CSS_PIXELS = 96  # per inch
MAX_EMBEDDED_SVG = 100_000  # characters; a larger picture is embedded as PNG


class Figures:
    """The figures of a page.

    folder: of the page; the files are written to the subfolder `figures`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / FOLDER
        self.folder.mkdir(parents=True, exist_ok=True)

    def draw(
        self,
        name: str,
        *,
        title: str,
        height: float,
        draw: Callable[["Axes"], None],
        width: float = WIDTH,
    ) -> Picture:
        """Return a figure of one pair of axes."""

        def draw_panel(panels: "Sequence[Axes]") -> None:
            draw(panels[0])

        return self.draw_panels(
            name, title=title, height=height, num_panels=1, draw=draw_panel, width=width
        )

    def draw_panels(
        self,
        name: str,
        *,
        title: str,
        height: float,
        num_panels: int,
        draw: Callable[["Sequence[Axes]"], None],
        width: float,
    ) -> Picture:
        """Return a figure of panels one below the other, which share their horizontal axis.

        name: of the files, without the suffix.
        width, height: in inches.
        draw: draws into the panels.
        """
        from cycler import cycler
        from matplotlib import rc_context
        from matplotlib.figure import Figure

        style: dict[Any, Any] = {
            "text.usetex": False,
            "svg.fonttype": "none",  # text stays text
            "svg.hashsalt": name,  # the same file from the same data; no two figures share ids
            "font.family": "sans-serif",
            "font.size": 10,
            "figure.facecolor": LIGHT["page"],
            "savefig.facecolor": LIGHT["page"],
            "axes.facecolor": LIGHT["page"],
            "axes.edgecolor": LIGHT["muted"],
            "axes.labelcolor": LIGHT["text"],
            "axes.prop_cycle": cycler(color=SERIES),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": LIGHT["grid"],
            "grid.linewidth": 0.6,
            "axes.axisbelow": True,
            "text.color": LIGHT["text"],
            "xtick.color": LIGHT["muted"],
            "ytick.color": LIGHT["muted"],
            "xtick.labelcolor": LIGHT["text"],
            "ytick.labelcolor": LIGHT["text"],
            "legend.frameon": False,
        }
        with rc_context(style):
            figure = Figure(figsize=(width, height), layout="constrained")
            draw([*figure.subplots(num_panels, 1, sharex=True, squeeze=False).flat])
            return self._saved(figure, name, title=title)

    def _saved(self, figure: "Figure", name: str, *, title: str) -> Picture:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        # not with savefig, which draws every figure twice
        svg, png = io.StringIO(), io.BytesIO()
        on_vectors: Any = FigureCanvasSVG(figure)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")  # a browser has more fonts
            on_vectors.print_svg(svg, metadata={"Date": None, "Creator": None})
            figure.set_layout_engine("none")  # stays as it was laid out
            figure.set_dpi(2 * CSS_PIXELS)
            on_pixels: Any = FigureCanvasAgg(figure)
            on_pixels.print_png(png)
        write_text(self.folder / f"{name}.svg", svg.getvalue(), durable=False)

        write_bytes(self.folder / f"{name}.png", png.getvalue(), durable=False)
        embedded = _embeddable(svg.getvalue(), title=title)
        is_small = len(embedded) <= MAX_EMBEDDED_SVG
        url = "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
        return Picture(
            name=name,
            title=title,
            width=round(figure.get_figwidth() * CSS_PIXELS),
            svg=embedded if is_small else None,
            png=None if is_small else url,
        )


def whole_numbers(axes: "Axes") -> None:
    """Label whole numbers only on the horizontal axis."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def every_digit(axes: "Axes") -> None:
    """Label the vertical axis with whole values, instead of an offset or a power above it."""
    from matplotlib.ticker import FuncFormatter

    low, high = axes.get_ylim()
    digits = num_digits((low, high), least=3)

    def label(value: float, _: int | None) -> str:
        return "0" if abs(value) < 1e-9 * (high - low) else f"{value:.{digits}g}"

    axes.yaxis.set_major_formatter(FuncFormatter(label))


def shown_name(text: str, *, longest: int = LONGEST_NAME) -> str:
    """Return a name that others chose as figures draw it, with … in place of what is too long."""
    return short_figure_text(text, longest=longest)


def _embeddable(svg: str, *, title: str) -> str:
    """Return the element of an SVG file, for a page that holds several."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"\s*<(metadata|style)\b.*?</\1>", "", svg, flags=re.DOTALL)
    used = set(re.findall(r"(?:url\(#|href=\"#)([^\")]+)", svg))
    svg = re.sub(r' id="([^"]*)"', lambda match: match[0] if match[1] in used else "", svg)
    view_box = re.search(r'viewBox="[-\d. ]+"', svg)
    assert view_box is not None
    start = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'role="img" {view_box[0]}>'
    )
    return follow_page(start + svg[svg.index(">") + 1 :])

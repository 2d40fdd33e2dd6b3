"""The critical-difference diagram of Demšar (2006): mean ranks, and what cannot be told apart."""

from typing import TYPE_CHECKING, Any

from unrolled.reports.data_sets import DataSets
from unrolled.reports.pages.colours import LIGHT, SERIES
from unrolled.reports.pages.figures import Figures, shown_name
from unrolled.reports.pages.page import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW_HEIGHT = 0.26  # inches, of a name
BAR_HEIGHT = 0.14  # inches, of a bar that connects a group
MARGIN = 0.55  # inches, for the axis above
NAMES = 0.36  # share of the width on each side
LONGEST = 22  # characters
SIZE = 9  # points


def rank_diagram(figures: Figures, table: DataSets) -> Picture:
    """Return the ranked methods on an axis of mean ranks, the best one on the left.

    A bar connects methods of which no two can be shown to differ. Without a test there are none.
    """
    methods = table.ranked
    num_left = (len(methods) + 1) // 2
    bars = len(table.groups) * BAR_HEIGHT
    height = MARGIN + bars + ROW_HEIGHT * (num_left + 0.5)

    def draw(axes: "Axes") -> None:
        lowest, highest = 1, len(methods)
        axes.set_axis_off()
        reach = (highest - lowest) * NAMES / (1 - 2 * NAMES)
        axes.set_xlim(lowest - reach, highest + reach)
        axes.set_ylim(height - MARGIN, -MARGIN)  # inches below the axis
        line: dict[str, Any] = {"color": LIGHT["muted"], "linewidth": 1}
        axes.plot([lowest, highest], [0, 0], **line)
        step = max(1, (highest - lowest) // 8)
        for tick in range(lowest, highest + 1, step):
            axes.plot([tick, tick], [0, -0.08], **line)
            axes.text(tick, -0.12, str(tick), ha="center", va="bottom", size=SIZE)
        axes.text((lowest + highest) / 2, -0.34, "mean rank", ha="center", va="bottom", size=SIZE)
        for number, method in enumerate(methods):
            rank = method.mean_rank or 0.0
            is_left = number < num_left
            row = number if is_left else len(methods) - 1 - number
            y = bars + ROW_HEIGHT * (row + 0.7)
            end = lowest - 0.05 * reach if is_left else highest + 0.05 * reach
            name = shown_name(method.name, longest=LONGEST)
            text = f"{name}  {rank:.2f}" if is_left else f"{rank:.2f}  {name}"
            axes.plot([rank, rank, end], [0, y, y], **line)
            place = end - 0.03 * reach if is_left else end + 0.03 * reach
            axes.text(place, y, text, ha="right" if is_left else "left", va="center", size=SIZE)
        ranks = {method.name: method.mean_rank or 0.0 for method in methods}
        for number, group in enumerate(table.groups):
            y = BAR_HEIGHT * (number + 0.7)
            ends = [ranks[group[0]], ranks[group[-1]]]
            axes.plot(ends, [y, y], color=SERIES[0], linewidth=4, solid_capstyle="round")

    title = f"mean ranks over {len(table.ranked_on)} data sets: "
    if table.is_tested:
        title += "a bar connects models that cannot be told apart"
    else:
        title += "no difference can be shown with so few"
    return figures.draw("ranks", title=title, height=height, draw=draw)

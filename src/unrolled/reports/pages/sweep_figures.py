"""Figures of the page of a sweep."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unrolled.reports.naming import LONGEST_NAME
from unrolled.reports.pages.colours import LIGHT, SERIES
from unrolled.reports.pages.figures import Figures, shown_name, whole_numbers
from unrolled.reports.pages.page import Picture
from unrolled.reports.pages.search import Search
from unrolled.reports.statistics import ScoreSummary, is_proportion, summarize

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = "osD^vPX*"
MAX_ROWS = 40  # settings in a figure with a row per setting
MAX_CURVES = 8  # settings in a figure with a colour per setting
ROW_HEIGHT = 0.3  # inches
MIN_TICKS, MAX_TICKS = 3, 6  # of a logarithmic axis
MARGIN = 1.1  # inches, for the axis below


@dataclass(frozen=True)
class Setting:
    """A row of the table, as figures show it.

    full_name: with all settings that tell it apart.
    values: score of each run.
    """

    name: str
    full_name: str
    summary: ScoreSummary
    values: Sequence[float]
    num_parameters: int | None
    seconds: float | None


def dots(
    figures: Figures, settings: Sequence[Setting], *, metric: str, baselines: Mapping[str, float]
) -> Picture:
    """Return a row of dots per setting: every run, their mean and its interval.

    baselines: a score by name. One that is far from all runs is left out, so that the runs can be
        told apart.
    """
    scale = _scale(metric)
    every = [value for setting in settings for value in setting.values]
    reach = max(max(every) - min(every), 0.05 * abs(max(every)))
    near = {
        name: score
        for name, score in baselines.items()
        if min(every) - reach <= score <= max(every) + reach
    }

    def draw(axes: "Axes") -> None:
        for row, setting in enumerate(settings):
            summary = setting.summary
            xs = [scale * value for value in setting.values]
            axes.plot(
                xs,
                [row] * len(xs),
                "o",
                color=SERIES[0],
                alpha=0.6,
                markersize=5,
                markeredgewidth=0,
            )
            if summary.low is not None and summary.high is not None:
                ends = [scale * summary.low, scale * summary.high]
                axes.plot(ends, [row + 0.22] * 2, color=LIGHT["text"], linewidth=1.5)
                axes.plot(
                    [scale * summary.mean], [row + 0.22], "|", color=LIGHT["text"], markersize=9
                )
        for number, (name, score) in enumerate(near.items()):
            colour = SERIES[(number + 1) % len(SERIES)]
            style = ("--", ":", "-.")[number % 3]
            axes.axvline(
                scale * score,
                color=colour,
                linestyle=style,
                linewidth=1.2,
                label=shown_name(name, longest=40),
            )
        _rows(axes, [setting.name for setting in settings])
        axes.set_xlabel(_heading(metric))
        if near:
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=8)

    height = MARGIN + ROW_HEIGHT * (len(settings) + len(near))
    title = "every run (dots), and the mean with its 95 % interval (line)"
    return figures.draw("runs", title=title, height=height, draw=draw)


def learning_curves(
    figures: Figures, curves: Mapping[str, Sequence[Mapping[float, float]]], *, metric: str
) -> Picture:
    """Return the mean score by epoch of each setting, with a band of one standard deviation.

    curves: by the name of the setting, epoch -> score of each run.
    """
    scale = _scale(metric)

    def draw(axes: "Axes") -> None:
        for number, (name, runs) in enumerate(curves.items()):
            colour = SERIES[number % len(SERIES)]
            epochs = sorted({epoch for run in runs for epoch in run})
            found = [summarize([run[epoch] for run in runs if epoch in run]) for epoch in epochs]
            means = [scale * one.mean for one in found]
            deviations = [scale * (one.deviation or 0.0) for one in found]
            axes.plot(epochs, means, color=colour, label=shown_name(name), linewidth=1.5)
            low = [mean - deviation for mean, deviation in zip(means, deviations, strict=True)]
            high = [mean + deviation for mean, deviation in zip(means, deviations, strict=True)]
            axes.fill_between(epochs, low, high, color=colour, alpha=0.2, linewidth=0)
        axes.set(xlabel="epoch", ylabel=_heading(metric))
        whole_numbers(axes)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=8, ncols=2)

    height = 3.2 + 0.18 * (len(curves) + 1) / 2
    title = f"{metric} by epoch: mean over runs, band of one standard deviation"
    return figures.draw("learning-curves", title=title, height=height, draw=draw)


def against(
    figures: Figures,
    settings: Sequence[Setting],
    places: Sequence[float],
    *,
    name: str,
    heading: str,
    metric: str,
) -> Picture:
    """Return the mean score of each setting against another number, on a logarithmic axis.

    places: the number of each setting, > 0.
    """
    scale = _scale(metric)

    def draw(axes: "Axes") -> None:
        from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

        for number, (setting, place) in enumerate(zip(settings, places, strict=True)):
            colour, marker = SERIES[number % len(SERIES)], MARKERS[number // len(SERIES) % 8]
            summary = setting.summary
            label = shown_name(setting.name)
            axes.plot([place], [scale * summary.mean], marker, color=colour, label=label)
            if summary.low is not None and summary.high is not None:
                ends = [scale * summary.low, scale * summary.high]
                axes.plot([place] * 2, ends, color=colour, linewidth=1)
        axes.set_xscale("log")
        low, high = min(places) / 1.5, max(places) * 1.5
        axes.set_xlim(low, high)
        axes.xaxis.set_major_locator(FixedLocator(log_ticks(low, high)))
        axes.xaxis.set_major_formatter(FuncFormatter(_plain_number))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set(xlabel=heading, ylabel=_heading(metric))
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=8, ncols=2)

    height = 3.2 + 0.18 * (len(settings) + 1) / 2
    title = f"{metric} against {heading}, with 95 % intervals"
    return figures.draw(name, title=title, height=height, draw=draw)


def log_ticks(low: float, high: float) -> list[float]:
    """Return three to six round numbers between two ends of a logarithmic axis.

    low, high: > 0, with high at least twice as large as low.
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for subs in (
        (1,),
        (1, 3),
        (1, 2, 5),
        (1, 1.5, 2, 3, 5, 7),
        (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9),
    ):
        found = [sub * 10.0**decade for decade in decades for sub in subs]
        ticks = [tick for tick in found if low <= tick <= high]
        if len(ticks) >= MIN_TICKS:
            break
    return ticks[:: math.ceil(len(ticks) / MAX_TICKS)]


def differences(
    figures: Figures, found: Mapping[str, ScoreSummary], *, metric: str, reference: str
) -> Picture:
    """Return the mean difference of each setting from the reference, with its interval."""
    scale = _scale(metric)

    def draw(axes: "Axes") -> None:
        axes.axvline(0, color=LIGHT["muted"], linewidth=1)
        for row, summary in enumerate(found.values()):
            axes.plot([scale * summary.mean], [row], "o", color=SERIES[0])
            if summary.low is not None and summary.high is not None:
                axes.plot([scale * summary.low, scale * summary.high], [row] * 2, color=SERIES[0])
        _rows(axes, list(found))
        unit = "points" if is_proportion(metric) else metric
        axes.set_xlabel(f"difference from {shown_name(reference, longest=40)}, {unit}")

    title = "paired differences from the first setting, with 95 % intervals"
    height = MARGIN + ROW_HEIGHT * len(found)
    return figures.draw("differences", title=title, height=height, draw=draw)


def history(figures: Figures, search: Search) -> Picture:
    """Return the score of each trial of a search, and the best so far."""

    def draw(axes: "Axes") -> None:
        axes.plot(
            list(search.values), list(search.values.values()), "o", label="trial", markersize=5
        )
        axes.step(
            list(search.best_so_far),
            list(search.best_so_far.values()),
            where="post",
            label="best so far",
            color=SERIES[1],
        )
        axes.set(xlabel="trial", ylabel=shown_name(search.metric))
        whole_numbers(axes)
        axes.legend()

    return figures.draw("search-history", title="history of the search", height=3.2, draw=draw)


def importance(figures: Figures, search: Search) -> Picture:
    """Return the importance of the settings of a search."""

    def draw(axes: "Axes") -> None:
        axes.barh(range(len(search.importance)), list(search.importance.values()), color=SERIES[0])
        _rows(axes, list(search.importance))
        axes.set_xlabel("share of the variance between trials")

    height = MARGIN + ROW_HEIGHT * len(search.importance)
    title = "importance of the settings (fANOVA)"
    return figures.draw("search-importance", title=title, height=height, draw=draw)


def _rows(axes: "Axes", names: Sequence[str]) -> None:
    """Label the rows, the first one on top."""
    axes.set_yticks(range(len(names)), [shown_name(name, longest=LONGEST_NAME) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")


def _plain_number(value: float, _: int) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.3g}"


def _scale(metric: str) -> float:
    return 100 if is_proportion(metric) else 1


def _heading(metric: str) -> str:
    return shown_name(f"{metric} in %" if is_proportion(metric) else metric)

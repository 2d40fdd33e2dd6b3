"""Figures of the page of a run."""

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from unrolled.reports.pages.colours import LIGHT, SERIES
from unrolled.reports.pages.figures import Figures, every_digit, shown_name, whole_numbers
from unrolled.reports.pages.page import Picture
from unrolled.reports.statistics import wilson_interval
from unrolled.scales import num_flat

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from unrolled.prediction.held_out import Mistake

NUM_BINS = 10  # of a reliability diagram
MAX_LENGTH_BINS = 6
MOST_NUMBERED_CLASSES = 12  # a larger confusion matrix has no numbers
MOST_NAMED_CLASSES = 30
LONGEST_FEATURE = 40  # characters of a name
LEGEND_WIDTH = 50  # characters above a sequence
MOST_LINES = 6  # features of a mistake that are drawn as lines; more are an image

Curve = Sequence[tuple[float, float]]  # epoch, counted from 1, and score


def curves(
    figures: Figures,
    metric: str,
    *,
    train: Mapping[str, Curve],
    val: Mapping[str, Curve],
    best_epoch: int | None,
) -> Picture:
    """Return the score in training and validation by epoch.

    train, val: by the name of the training, which is empty if there is only one.
    best_epoch: the chosen one, counted from 1.
    """

    def draw(axes: "Axes") -> None:
        for split, found, colour in (
            ("training", train, SERIES[0]),
            ("validation", val, SERIES[1]),
        ):
            alpha = 1 if len(found) < 2 else 0.6
            for number, curve in enumerate(found.values()):
                marker = "o" if len(curve) < 3 else None
                label = split if number == 0 else None
                axes.plot(
                    *zip(*curve, strict=True), color=colour, alpha=alpha, marker=marker, label=label
                )
        if best_epoch is not None:
            axes.axvline(best_epoch, color=LIGHT["muted"], linestyle="--", linewidth=1)
            axes.annotate(
                f"chosen: epoch {best_epoch}",
                (best_epoch, 1),
                xycoords=("data", "axes fraction"),
                xytext=(-4, -2),
                textcoords="offset points",
                ha="right",
                va="top",
                rotation=90,
                color=LIGHT["muted"],
                fontsize=8,
            )
        axes.set_xlabel("epoch")
        axes.set_ylabel(shown_name(metric))
        whole_numbers(axes)
        axes.legend()

    name = f"curves-{metric.replace('/', '-')}"
    return figures.draw(name, title=f"{metric.replace('_', ' ')} by epoch", height=3.2, draw=draw)


def confusion(
    figures: Figures, counts: Sequence[Sequence[int]], class_names: Sequence[str]
) -> Picture:
    """Return the confusion matrix, coloured by the share of each true class."""
    num = len(class_names)
    has_names, has_numbers = num <= MOST_NAMED_CLASSES, num <= MOST_NUMBERED_CLASSES

    def draw(axes: "Axes") -> None:
        from matplotlib.patches import Rectangle

        for row, cells in enumerate(counts):
            for column, count in enumerate(cells):
                if not count:
                    continue
                # at most half opaque, so that a number can be read on it
                share = 0.5 * count / sum(cells) if has_numbers else count / sum(cells)
                colour = SERIES[0] if row == column else SERIES[4]
                axes.add_patch(
                    Rectangle(
                        (column - 0.5, row - 0.5), 1, 1, facecolor=colour, alpha=max(share, 0.06)
                    )
                )
                if has_numbers:
                    axes.text(column, row, str(count), ha="center", va="center", fontsize=9)
        axes.set(xlim=(-0.5, num - 0.5), ylim=(num - 0.5, -0.5), aspect="equal")
        axes.set(xlabel="predicted class", ylabel="true class")
        axes.grid(visible=False)
        names = [shown_name(name, longest=16) for name in class_names]
        if has_names:
            is_short = max(map(len, names)) * num < 50
            axes.set_xticks(range(num), names, rotation=0 if is_short else 90)
            axes.set_yticks(range(num), names)

    height = min(max(2.5, 0.4 * num + 1.2), 5.5)
    return figures.draw("confusion", title="confusion matrix: counts", height=height, draw=draw)


def reliability(
    figures: Figures, confidence: npt.NDArray[np.float64], is_right: npt.NDArray[np.bool_]
) -> Picture:
    """Return the accuracy of sequences by the confidence of their prediction."""
    bins = np.clip((confidence * NUM_BINS).astype(int), 0, NUM_BINS - 1)

    def draw(axes: "Axes") -> None:
        axes.plot(
            [0, 1], [0, 1], color=LIGHT["muted"], linestyle="--", linewidth=1, label="calibrated"
        )
        for number in range(NUM_BINS):
            inside = bins == number
            if not inside.any():
                continue
            right, num = int(is_right[inside].sum()), int(inside.sum())
            _interval(axes, float(confidence[inside].mean()), right, num)
            axes.annotate(
                str(num),
                (float(confidence[inside].mean()), 0),
                xycoords=("data", "axes fraction"),
                xytext=(0, 3),
                textcoords="offset points",
                ha="center",
                fontsize=8,
                color=LIGHT["muted"],
            )
        axes.set(xlim=(0, 1.02), ylim=(-0.06, 1.02))
        axes.set(xlabel="mean confidence; numbers below: sequences", ylabel="accuracy")
        axes.legend(loc="upper left")

    title = "reliability diagram: accuracy by confidence, with 95 % intervals (Wilson)"
    return figures.draw("reliability", title=title, height=3.8, draw=draw)


def by_length(
    figures: Figures, lengths: npt.NDArray[np.int64], is_right: npt.NDArray[np.bool_]
) -> Picture:
    """Return the accuracy in groups of sequences of similar length."""
    quantiles = np.quantile(lengths, np.linspace(0, 1, MAX_LENGTH_BINS + 1), method="nearest")
    edges = np.unique(quantiles)

    def draw(axes: "Axes") -> None:
        labels = []
        for number, (low, high) in enumerate(itertools.pairwise(edges)):
            is_last = number == len(edges) - 2
            inside = (lengths >= low) & ((lengths <= high) if is_last else (lengths < high))
            right, num = int(is_right[inside].sum()), int(inside.sum())
            _interval(axes, number, right, num)
            highest = int(lengths[inside].max())
            labels.append((str(low) if low == highest else f"{low}-{highest}") + f"\n({num})")
        axes.set_xticks(range(len(labels)), labels, fontsize=9)
        axes.set(xlim=(-0.5, len(labels) - 0.5), ylim=(-0.02, 1.02))
        axes.set(xlabel="steps (sequences)", ylabel="accuracy")

    title = "accuracy by length, with 95 % intervals (Wilson)"
    return figures.draw("by-length", title=title, height=3.2, draw=draw)


def mistake(
    figures: Figures, one: "Mistake", *, number: int, class_names: Sequence[str]
) -> Picture:
    """Return a sequence that was classified wrongly.

    A feature that would look flat next to the others gets a panel of its own. In an image of many
    features, it is standardized over the sequence, and the title says so.
    """
    num_steps, num_features = one.values.shape
    flat = num_flat(zip(one.values.min(axis=0), one.values.max(axis=0), strict=True))
    names = [shown_name(name, longest=LONGEST_FEATURE) for name in one.feature_names]
    is_image = num_features > MOST_LINES
    is_standardized = is_image and 2 * flat > num_features
    num_panels = num_features if flat and not is_image else 1
    ncols = max(1, min(3, LEGEND_WIDTH // (max(map(len, names)) + 5)))
    marker = "o" if num_steps < 3 else None

    def draw(panels: "Sequence[Axes]") -> None:
        if is_image:
            values = _standardized(one.values) if is_standardized else one.values
            panels[0].imshow(values.T, aspect="auto", cmap="gray_r", interpolation="nearest")
            panels[0].set_ylabel("feature")
            panels[0].grid(visible=False)
        elif num_panels > 1:
            lines = zip(panels, one.values.T, names, SERIES, strict=False)
            for axes, values, name, colour in lines:
                axes.plot(values, color=colour, linewidth=1.2, marker=marker)
                axes.set_title(name, loc="left", fontsize=8, pad=2)
                axes.tick_params(axis="y", labelsize=8)
                axes.locator_params(axis="y", nbins=3)
                every_digit(axes)
        else:
            for values, name in zip(one.values.T, names, strict=True):
                panels[0].plot(values, label=name, linewidth=1.2, marker=marker)
            every_digit(panels[0])
            if num_features > 1:
                panels[0].legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=8, ncols=ncols)
        panels[-1].set_xlabel("step")
        whole_numbers(panels[-1])

    predicted, label = class_names[one.predicted], class_names[one.label]
    title = (
        f"{one.name}: true {label} ({100 * one.probability:.1f} %), "
        f"predicted {predicted} ({100 * one.confidence:.1f} %)"
        + ("; each feature standardized" if is_standardized else "")
    )
    height = 2.1 + (0.75 * (num_panels - 2) if num_panels > 1 else 0.15 * (num_features // ncols))
    if is_image:
        height = 2.1
    return figures.draw_panels(
        f"mistake-{number}",
        title=title,
        height=height,
        width=3.3,
        num_panels=num_panels,
        draw=draw,
    )


def _standardized(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return features with mean 0 and standard deviation 1 over the steps, (t, d)."""
    deviation = values.std(axis=0)
    found: npt.NDArray[np.float64] = values - values.mean(axis=0)
    return found / np.where(deviation > 0, deviation, 1)


def _interval(axes: "Axes", x: float, right: int, num: int) -> None:
    low, high = wilson_interval(right, num)
    axes.plot([x, x], [low, high], color=SERIES[0], linewidth=1.5)
    axes.plot([x], [right / num], color=SERIES[0], marker="o", markersize=5)

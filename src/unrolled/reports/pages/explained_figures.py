"""Figures of the measures of `unrolled explain`."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from unrolled.explaining.explanation import (
    Early,
    Example,
    Forgetting,
    GateShares,
    Spectrum,
    StateGradients,
    finite,
)
from unrolled.explaining.half_life import half_life
from unrolled.reports.pages.colours import LIGHT, SERIES
from unrolled.reports.pages.figures import Figures, shown_name, whole_numbers
from unrolled.reports.pages.page import Picture
from unrolled.reports.statistics import wilson_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKED = 60  # points, up to which each is marked
ROW_HEIGHT = 0.28  # inches


def gradients(figures: Figures, found: StateGradients) -> Picture:
    """Return the norm of the gradient by steps before the end, before and after training."""

    def draw(axes: "Axes") -> None:
        for name, values, colour in (
            ("before training", found.before, SERIES[1]),
            ("after training", found.after, SERIES[0]),
        ):
            points = [(k + 1, value) for k, value in finite(values)]
            if points:
                axes.plot(*zip(*points, strict=True), color=colour, label=name, **_marks(points))
        if axes.lines:
            axes.set_yscale("log")
            axes.legend()
        axes.set(xlabel="steps before the end", ylabel="norm of the gradient")
        whole_numbers(axes)

    title = f"gradient of the loss at the state: mean norm of {found.num_sequences}"
    return figures.draw("explain-gradients", title=title, height=3.2, draw=draw)


def saturation(figures: Figures, found: Sequence[GateShares]) -> Picture:
    """Return the share of saturated values of each gate."""

    def draw(axes: "Axes") -> None:
        rows = range(len(found))
        low = [100 * one.low for one in found]
        high = [100 * one.high for one in found]
        axes.barh(rows, low, color=SERIES[0], label="lower end (closed)", height=0.7)
        axes.barh(rows, high, left=low, color=SERIES[1], label="upper end (open)", height=0.7)
        has_layers = len({one.layer for one in found}) > 1
        axes.set_yticks(
            rows, [f"{one.layer}: {one.name}" if has_layers else one.name for one in found]
        )
        axes.set(xlim=(0, 100), ylim=(len(found) - 0.4, -0.6), xlabel="saturated values in %")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=8, ncols=2)

    height = 1.2 + ROW_HEIGHT * len(found)
    return figures.draw("explain-saturation", title="saturated gates", height=height, draw=draw)


def eigenvalues(figures: Figures, found: Sequence[Spectrum]) -> Picture:
    """Return the eigenvalues in the complex plane, with the unit circle."""

    def draw(axes: "Axes") -> None:
        from matplotlib.patches import Circle

        axes.add_patch(Circle((0, 0), 1, fill=False, color=LIGHT["muted"], linestyle="--"))
        for number, one in enumerate(found):
            axes.plot(
                one.real,
                one.imaginary,
                "o",
                color=SERIES[number % len(SERIES)],
                markersize=3,
                markeredgewidth=0,
                alpha=0.7,
                label=f"recurrent map {number + 1}",
            )
        axes.set(xlabel="real part", ylabel="imaginary part", aspect="equal")
        axes.autoscale_view()
        if len(found) > 1:
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=8, ncols=2)

    title = "eigenvalues of the recurrent map; dashed: the unit circle"
    return figures.draw("explain-eigenvalues", title=title, height=4.2, draw=draw)


def half_lives(figures: Figures, found: Sequence[Spectrum]) -> Picture:
    """Return the share of eigenvalues whose half-life is at most so many steps."""

    def draw(axes: "Axes") -> None:
        for number, one in enumerate(found):
            lives = [half_life(radius) for radius in one.radii]
            points = [
                (life, (k + 1) / len(lives)) for k, life in enumerate(lives) if 0 < life < math.inf
            ]
            if points:
                axes.step(
                    *zip(*points, strict=True),
                    where="post",
                    color=SERIES[number % len(SERIES)],
                    label=f"recurrent map {number + 1}",
                )
        axes.set_xscale("log")
        axes.set(ylim=(0, 1.02), xlabel="half-life in steps of the encoder")
        axes.set_ylabel("share of eigenvalues")
        if len(axes.lines) > 1:
            axes.legend(fontsize=8)

    title = "memory half-life: share of eigenvalues that have halved a state after so many steps"
    return figures.draw("explain-half-lives", title=title, height=3.2, draw=draw)


def forgetting(figures: Figures, found: Forgetting) -> Picture:
    """Return how far the logits move by the place of the changed step."""

    def draw(axes: "Axes") -> None:
        points = [(found.steps_before_end[k], value) for k, value in finite(found.change)]
        if points:
            axes.plot(*zip(*points, strict=True), color=SERIES[0], **_marks(points))
            axes.set_yscale("log")
        axes.set(xlabel="steps before the last one", ylabel="change of the logits")
        whole_numbers(axes)

    title = "forgetting curve: change of the logits if one step is changed"
    return figures.draw("explain-forgetting", title=title, height=3.2, draw=draw)


def early(figures: Figures, found: Early) -> Picture:
    """Return accuracy and confidence by the share of the sequence that was read."""

    def draw(axes: "Axes") -> None:
        percent = [100 * share for share in found.shares]
        num = found.num_sequences
        ends = [wilson_interval(round(value * num), num) for value in found.accuracy]
        low, high = zip(*ends, strict=True)
        axes.fill_between(percent, low, high, color=SERIES[0], alpha=0.2, linewidth=0)
        axes.plot(percent, found.accuracy, color=SERIES[0], label="accuracy", **_marks(percent))
        axes.plot(percent, found.confidence, color=SERIES[1], label="confidence", linestyle="--")
        axes.axvline(100 * found.enough, color=LIGHT["muted"], linestyle=":", linewidth=1.2)
        axes.set(xlim=(0, 101), ylim=(-0.02, 1.02))
        axes.set(xlabel="share of the sequence that was read in %", ylabel="accuracy, probability")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=8, ncols=2)

    title = (
        "early decision, with 95 % intervals (Wilson); dotted: 95 % of the final accuracy from here"
    )
    return figures.draw("explain-early", title=title, height=3.2, draw=draw)


def example(figures: Figures, one: Example, *, number: int) -> Picture:
    """Return how much each step of a sequence matters."""

    def draw(axes: "Axes") -> None:
        axes.axhline(0, color=LIGHT["muted"], linewidth=0.8)
        marks = _marks(one.occlusion)
        axes.plot(one.occlusion, color=SERIES[0], label="occlusion", **marks)
        if one.integrated_gradients:
            axes.plot(
                one.integrated_gradients,
                color=SERIES[1],
                linestyle="--",
                label="integrated gradients",
            )
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=8, ncols=2)
        axes.set(xlabel="step", ylabel="fall of probability")
        whole_numbers(axes)

    title = (
        f"{shown_name(one.name)}: true {one.label}, predicted {one.predicted} "
        f"({100 * one.probability:.1f} %), {one.window} steps hidden at once"
    )
    return figures.draw(
        f"explain-occlusion-{number}", title=title, height=2.3, width=3.6, draw=draw
    )


def _marks(points: Sequence[object]) -> dict[str, Any]:
    return {"marker": "o", "markersize": 3} if len(points) <= MARKED else {}

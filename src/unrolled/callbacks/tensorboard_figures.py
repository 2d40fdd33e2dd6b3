"""Figures for TensorBoard: a confusion matrix, and sequences that were classified wrongly."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from jaxtyping import Float, Int
from matplotlib import rc_context
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay
from torch import Tensor

from unrolled.output import short_figure_text

LONGEST_NAME = 24  # characters of a class
LARGEST = 16  # inches
MAX_WITH_COUNTS = 30  # classes of a matrix with a number in each cell
NUM_COLUMNS = 4
MAX_FEATURES = 4  # of a sequence that is drawn


@dataclass(frozen=True)
class Mistake:
    """A sequence that was classified wrongly.

    x: features of its real steps as the network reads them, (t, d).
    label, predicted: names of classes.
    probability: of the true class.
    """

    x: Float[Tensor, "t d"]
    label: str
    predicted: str
    probability: float


@contextmanager
def drawing() -> Iterator[None]:
    """Draw names as they are: without TeX, and without a warning for letters that no font has."""
    with rc_context({"text.usetex": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        yield


def confusion_figure(
    counts: Int[Tensor, "c c"], class_names: Sequence[str], *, title: str
) -> Figure:
    """Return the counts of true classes (rows) and predicted classes (columns)."""
    names = [short_figure_text(name, longest=LONGEST_NAME) for name in class_names]
    size = min(3.5 + 0.5 * len(names), LARGEST)
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.subplots()
    matrix = ConfusionMatrixDisplay(counts.cpu().numpy(), display_labels=names)
    matrix.plot(
        ax=axes,
        cmap="Blues",
        colorbar=False,
        xticks_rotation="vertical",
        include_values=len(names) <= MAX_WITH_COUNTS,
    )
    axes.set_title(title)
    return figure


def mistakes_figure(mistakes: Sequence[Mistake], *, title: str) -> Figure:
    """Return the sequences side by side, with true and predicted class."""
    num_rows = (len(mistakes) + NUM_COLUMNS - 1) // NUM_COLUMNS
    height = 2.4 * num_rows + 0.4
    figure = Figure(figsize=(3 * NUM_COLUMNS, height))
    figure.suptitle(title, fontsize=10)
    figure.subplots_adjust(  # faster than a layout that matplotlib computes
        left=0.04, right=0.98, bottom=0.3 / height, top=1 - 0.7 / height, hspace=0.4
    )
    places = [*figure.subplots(num_rows, NUM_COLUMNS, squeeze=False).flat]
    for axes in places:
        axes.set_axis_off()
    for axes, mistake in zip(places, mistakes, strict=False):
        axes.set_axis_on()
        axes.plot(mistake.x[:, :MAX_FEATURES].cpu().numpy(), linewidth=1)
        label, predicted = (
            short_figure_text(name, longest=LONGEST_NAME)
            for name in (mistake.label, mistake.predicted)
        )
        axes.set_title(f"{label} ({mistake.probability:.2f})\nas {predicted}", fontsize=8)
        axes.set_xticks([0, len(mistake.x) - 1])
        axes.locator_params(axis="y", nbins=3)
        axes.tick_params(labelsize=7)
    return figure

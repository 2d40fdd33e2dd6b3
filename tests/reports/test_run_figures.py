"""Pictures of sequences that were classified wrongly, in which every feature can be seen."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from unrolled.prediction.held_out import Mistake
from unrolled.reports.pages.figures import Figures
from unrolled.reports.pages.page import Picture
from unrolled.reports.pages.run_figures import mistake

WAVE = np.sin(np.arange(20.0))
LONG_NAME = "relative_humidity_of_the_air_in_percent"


def drawn(
    values: list[np.ndarray], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Figure, str]:
    """Return the figure of a mistake with these features, and its title."""
    found: list[Figure] = []

    def saved(_: Figures, figure: Figure, name: str, *, title: str) -> Picture:
        found.append(figure)
        return Picture(name=name, title=title, width=1, svg=None, png=None)

    monkeypatch.setattr(Figures, "_saved", saved)
    one = Mistake(
        name="s",
        values=np.stack(values, axis=1),
        feature_names=[LONG_NAME, *map(str, range(len(values) - 1))],
        label=0,
        predicted=1,
        probability=0.1,
        confidence=0.9,
    )
    picture = mistake(Figures(folder), one, number=1, class_names=["a", "b"])
    return found[0], picture.title


def test_features_of_different_scales_have_panels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure, _ = drawn([WAVE, 5e6 + WAVE], tmp_path, monkeypatch)

    assert [axes.get_title(loc="left") for axes in figure.axes] == [LONG_NAME, "0"]
    for axes in figure.axes:
        low, high = axes.get_ylim()
        assert high - low < 3
        labels = [axes.yaxis.get_major_formatter()(value) for value in axes.get_yticks()]
        assert len(set(labels)) == len(labels)
        assert axes.yaxis.get_major_formatter().get_offset() == ""


def test_features_of_one_scale_share_the_axes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure, _ = drawn([WAVE, 3 * WAVE, np.ones(20)], tmp_path, monkeypatch)

    (axes,) = figure.axes
    legend: Any = axes.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [LONG_NAME, "0", "1"]


@pytest.mark.parametrize(("base", "is_standardized"), [(10, True), (1, False)])
def test_many_features_of_different_scales_are_standardized(
    base: int, *, is_standardized: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure, title = drawn([base**n * WAVE for n in range(8)], tmp_path, monkeypatch)

    (image,) = figure.axes[0].get_images()
    assert np.allclose(np.ptp(image.get_array(), axis=1), np.ptp(image.get_array()[0]))
    assert ("each feature standardized" in title) == is_standardized

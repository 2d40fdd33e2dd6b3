"""The score against parameters and against time."""

from collections.abc import Iterator, Sequence

from unrolled.reports.comparison import Comparison
from unrolled.reports.pages import sweep_figures
from unrolled.reports.pages.figures import Figures
from unrolled.reports.pages.page import Picture, Section
from unrolled.reports.pages.sweep_figures import MAX_CURVES, Setting


def costs(
    figures: Figures, comparison: Comparison, settings: Sequence[Setting]
) -> Iterator[Section]:
    """Yield the section, if the settings differ in size or time."""
    metric = comparison.metric
    shown = settings[: 2 * MAX_CURVES]
    pictures: list[Picture] = []
    for name, heading, places in (
        ("parameters", "parameters", [one.num_parameters for one in shown]),
        ("time", "seconds of a run", [one.seconds for one in shown]),
    ):
        known = [(one, place) for one, place in zip(shown, places, strict=True) if place]
        if len({place for _, place in known}) > 1:
            pictures.append(
                sweep_figures.against(
                    figures,
                    [one for one, _ in known],
                    [float(place) for _, place in known],
                    name=f"score-{name}",
                    heading=heading,
                    metric=metric,
                )
            )
    if pictures:
        notes = [f"The first {len(shown)} of {len(settings)} settings."]
        is_part = len(settings) > len(shown)
        yield Section("Size and time", notes=notes if is_part else [], pictures=pictures)

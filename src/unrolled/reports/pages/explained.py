"""The sections of a page that show the results of `unrolled explain`, if it has been run."""

from collections.abc import Iterator

from unrolled.errors import UnrolledError
from unrolled.explaining.explanation import Explanation, read_explanation
from unrolled.explaining.sentences import (
    SPLITS,
    about_early,
    about_forgetting,
    about_gradients,
    about_spectrum,
)
from unrolled.reports.pages import explained_figures
from unrolled.reports.pages.figures import Figures
from unrolled.reports.pages.page import Cell, Grid, Section
from unrolled.runs.run_folder import RunFolder


def explained_sections(figures: Figures, folder: RunFolder) -> Iterator[Section]:
    """Yield the sections, or one with the reason if the file is damaged."""
    try:
        found = read_explanation(folder)
    except UnrolledError as error:
        yield Section("Memory", notes=[str(error)])
        return
    if found is not None:
        yield _memory(figures, found)
        yield from _gates(figures, found)
        yield from _decisions(figures, found)


def _memory(figures: Figures, found: Explanation) -> Section:
    split = SPLITS.get(found.split, found.split)
    notes = [
        f"Measured by unrolled explain on {found.num_sequences:,} {split} {found.noun}; "
        "docs/explain.md has the definitions.",
        *found.notes,
    ]
    pictures = []
    if found.gradients is not None:
        notes.append(f"{_sentence(about_gradients(found.gradients))}")
        pictures.append(explained_figures.gradients(figures, found.gradients))
    if found.forgetting is not None:
        notes.append(_sentence(about_forgetting(found.forgetting)))
        pictures.append(explained_figures.forgetting(figures, found.forgetting))
    if found.eigenvalues:
        notes += [
            _sentence(about_spectrum(one, number))
            for number, one in enumerate(found.eigenvalues, start=1)
        ]
        pictures.append(explained_figures.eigenvalues(figures, found.eigenvalues))
        pictures.append(explained_figures.half_lives(figures, found.eigenvalues))
    if found.steps_per_state > 1:
        notes.append(
            "Gradients and half-lives count steps of the encoder; one is "
            f"{found.steps_per_state:.1f} steps of the sequence."
        )
    if found.skipped:
        reasons = "; ".join(f"{name} ({reason})" for name, reason in found.skipped.items())
        notes.append(f"Not measured: {reasons}.")
    return Section("Memory", notes=notes, pictures=pictures)


def _gates(figures: Figures, found: Explanation) -> Iterator[Section]:
    if not found.saturation:
        return
    rows = [
        [
            Cell(str(one.layer), one.layer),
            Cell(one.name),
            Cell(f"{100 * one.low:.1f} %", one.low),
            Cell(f"{100 * one.high:.1f} %", one.high),
        ]
        for one in found.saturation
    ]
    header = ["layer", "values", "saturated at the lower end", "at the upper end"]
    yield Section(
        "Saturation",
        notes=["A gate is saturated below 0.1 or above 0.9, a tanh unit beyond -0.99 or 0.99."],
        pictures=[explained_figures.saturation(figures, found.saturation)],
        tables=[Grid(header, rows, is_sortable=True)],
    )


def _decisions(figures: Figures, found: Explanation) -> Iterator[Section]:
    if found.early is not None:
        yield Section(
            "Early decision",
            notes=[_sentence(about_early(found.early))],
            pictures=[explained_figures.early(figures, found.early)],
        )
    if found.examples:
        yield Section(
            "Steps that matter",
            notes=[
                "By how much the probability of the predicted class falls if a step is hidden, "
                "that is, replaced by the mean of the training set."
            ],
            pictures=[
                explained_figures.example(figures, one, number=number)
                for number, one in enumerate(found.examples, start=1)
            ],
        )


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."

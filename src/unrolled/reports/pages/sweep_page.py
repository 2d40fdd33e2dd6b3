"""The page of a sweep: which setting won, how certain this is, and why jobs failed."""

from pathlib import Path

from unrolled.reports.comparison import Comparison
from unrolled.reports.naming import name_rows, shown_columns
from unrolled.reports.pages.figures import Figures
from unrolled.reports.pages.page import Page, write_page
from unrolled.reports.pages.sections.costs import costs
from unrolled.reports.pages.sections.data_sets import data_sets
from unrolled.reports.pages.sections.differences import differences
from unrolled.reports.pages.sections.failures import failures
from unrolled.reports.pages.sections.learning_curves import learning_curves
from unrolled.reports.pages.sections.other_settings import other_settings
from unrolled.reports.pages.sections.results import results
from unrolled.reports.pages.sections.search import search
from unrolled.reports.pages.sweep_figures import Setting
from unrolled.reports.pages.verdict import sentence


def write_sweep_page(comparison: Comparison, folder: Path, *, name: str) -> Path:
    """Write report.html and its figures, and return the path of the page.

    folder: of a sweep, or any other.
    """
    figures = Figures(folder)
    keys = [row.key for row in comparison.rows]
    runs = [run for row in comparison.rows for run in row.runs]
    columns = shown_columns(comparison.columns, keys, runs)
    names = name_rows(keys, columns)
    settings = [
        Setting(
            name=names.short[number],
            full_name=names.full[number],
            summary=row.scores[comparison.metric],
            values=[
                run.scores[comparison.metric] for run in row.runs if comparison.metric in run.scores
            ],
            num_parameters=row.num_parameters,
            seconds=row.seconds,
        )
        for number, row in enumerate(comparison.rows)
        if comparison.metric in row.scores
    ]
    sections = [
        *data_sets(figures, comparison),
        *results(figures, comparison, columns, settings, names),
        *learning_curves(figures, comparison, names.short),
        *costs(figures, comparison, settings),
        *differences(figures, comparison, names.short),
        *failures(comparison),
        *search(figures, comparison, folder),
        *other_settings(comparison, columns, names.short),
    ]
    num_runs = sum(len(row.runs) for row in comparison.rows)
    facts = {
        "settings": str(len(comparison.rows)),
        "runs": f"{num_runs - len(comparison.failures)} of {num_runs} done",
        "repeats": comparison.repeats,
        "folder": str(folder.absolute()),
    }
    data = {row.key["data"] for row in comparison.rows if "data" in row.key}
    models = {row.key["model"] for row in comparison.rows if "model" in row.key}
    title = f"{_listed(models)} on {_listed(data)}" if data and models else name
    page = Page(f"{title}: {name}", sentence(comparison, settings), facts, sections)
    return write_page(page, folder)


def _listed(names: set[str]) -> str:
    first = sorted(names)[:3]
    return ", ".join(first) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

"""Writes the tables of a comparison."""

from pathlib import Path

from unrolled.reports.comparison import Comparison
from unrolled.reports.data_set_tables import by_data_set_sheet, csv_rows, notes, pairs_sheet
from unrolled.reports.data_sets import DataSets
from unrolled.reports.formats import (
    csv_text,
    latex_table,
    markdown_section,
    to_csv,
    to_latex,
    to_markdown,
)
from unrolled.runs.durable import write_text


def write_tables(comparison: Comparison, folder: Path, *, title: str) -> None:
    """Write sweep.csv, sweep.md and sweep.tex, and the table of models by data sets."""
    texts = {
        "sweep.csv": to_csv(comparison),
        "sweep.md": to_markdown(comparison, title=title),
        "sweep.tex": to_latex(comparison),
    }
    if comparison.data_sets is not None:
        table = comparison.data_sets
        texts["sweep.md"] += "\n" + _markdown(table)
        texts |= {"data_sets.csv": csv_text(*csv_rows(table)), "data_sets.tex": _latex(table)}
    for name, text in texts.items():
        write_text(folder / name, text, durable=False)


def _markdown(table: DataSets) -> str:
    sections = [markdown_section(by_data_set_sheet(table), notes(table))]
    if table.pairs:
        sections.append(markdown_section(pairs_sheet(table)))
    return "\n".join(sections)


def _latex(table: DataSets) -> str:
    rules = [len(table.names)] if table.ranked else []
    return latex_table(by_data_set_sheet(table), rules=rules, notes=notes(table))

"""Cells of tables on a page."""

from unrolled.reports.columns import short_setting
from unrolled.reports.pages.page import Cell


def setting_cell(text: str) -> Cell:
    """Return a setting, sorted by its number if it is one."""
    return Cell(short_setting(text), _number(text))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None

"""A page is a list of sections. Jinja2 escapes every text, and all of it is inert.

The page loads nothing: pictures are part of it, and its content security policy forbids every
request and every script but the one that sorts tables.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate
from pathlib import Path
from typing import Any

from unrolled.output import inert
from unrolled.reports.pages.colours import css_variables
from unrolled.runs.durable import write_text

NAME = "report.html"
TEMPLATES = Path(__file__).parent / "templates"
# A page has at most 2 MB, however large the sweep.
MAX_ROWS = 300  # of a table
MAX_CHARACTERS = 150_000  # of the markup of a table, and of all logs of a page
CELL_CHARACTERS = 50  # of the markup of a cell without its text


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    value: what the column is sorted by; None to sort by the text.
    """

    text: str
    value: float | None = None


@dataclass(frozen=True)
class Grid:
    """A table.

    is_sortable: whether a click on a heading sorts it.
    last: further rows at the end, which are never cut.
    file: that has all rows, next to the page; empty if there is none.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    is_sortable: bool = False
    last: Sequence[Sequence[Cell]] = ()
    file: str = ""

    @property
    def shown(self) -> Sequence[Sequence[Cell]]:
        """The rows that a page shows before the last ones, at least one."""
        rows = self.rows[:MAX_ROWS]
        sizes = accumulate(
            sum(CELL_CHARACTERS + len(escape(cell.text)) for cell in row) for row in rows
        )
        return rows[: max(1, sum(size <= MAX_CHARACTERS for size in sizes))]


@dataclass(frozen=True)
class Picture:
    """A figure.

    name: of its files in the folder `figures`, without the suffix.
    width: in CSS pixels; a narrower page scales the picture.
    svg: markup to embed; None if `png` is embedded instead.
    png: as a data URL.
    """

    name: str
    title: str
    width: int
    svg: str | None
    png: str | None


@dataclass(frozen=True)
class Log:
    """The end of a log.

    reason: why the run ended.
    """

    title: str
    reason: str
    lines: str


@dataclass(frozen=True)
class Section:
    """A part of a page with a heading.

    notes: paragraphs.
    code: a command.
    is_folded: whether the tables are hidden until a click.
    """

    title: str
    notes: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    tables: Sequence[Grid] = ()
    logs: Sequence[Log] = ()
    code: str = ""
    is_folded: bool = False


@dataclass(frozen=True)
class Page:
    """The content of a page.

    result: one sentence with the result and how certain it is.
    facts: short statements below it, by label.
    """

    title: str
    result: str
    facts: Mapping[str, str]
    sections: Sequence[Section]


def plain_rows(rows: Sequence[Sequence[str]]) -> list[list[Cell]]:
    """Return the cells of a table of text."""
    return [[Cell(text) for text in row] for row in rows]


def write_page(page: Page, folder: Path) -> Path:
    """Write report.html to the folder, and return its path."""
    path = folder / NAME
    write_text(path, render(page), durable=False)
    return path


def render(page: Page) -> str:
    """Return the page as HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # late: needed here only
    from markupsafe import Markup

    def finalize(value: Any) -> Any:
        return value if isinstance(value, Markup) or not isinstance(value, str) else inert(value)

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (TEMPLATES / "sort.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    style = css_variables() + (TEMPLATES / "page.css").read_text(encoding="utf-8")
    return environment.get_template("page.html").render(
        page=page,
        script=Markup(script),  # noqa: S704 - a file of this package
        script_hash=digest,
        style=Markup(style),  # noqa: S704 - a file of this package
        markup=Markup,  # for the pictures, which matplotlib has escaped
    )

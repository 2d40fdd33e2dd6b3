"""Every command that README, CONTRIBUTING and docs/ name exists, and every link has a target."""

import re
from pathlib import Path

import pytest

from unrolled.cli import COMMANDS

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted(ROOT.glob("docs/*.md")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_named_command_exists(page):
    named = re.findall(r"^(?:\.venv/bin/)?unrolled ([a-z]+)", page.read_text(), re.MULTILINE)

    assert set(named) <= set(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_has_a_target(page):
    links = re.findall(r"\]\((?!http|#)([^)#]+)", page.read_text())

    assert not [link for link in links if not (page.parent / link).exists()]


def anchors_of(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_anchor_is_a_heading(page):
    links = re.findall(r"\]\((?!http)([^)#]*)#([^)]+)\)", page.read_text())

    wrong = [
        (link, a) for link, a in links if a not in anchors_of(page.parent / link if link else page)
    ]
    assert not wrong


def test_the_site_has_every_page():
    """scripts/docs builds the site; a link or name that does not exist ends it with an error."""
    site = (ROOT / "mkdocs.yml").read_text()

    assert not [page.name for page in ROOT.glob("docs/*.md") if f": {page.name}\n" not in site]


def test_the_readme_has_at_most_150_lines():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_every_file_that_the_tutorial_page_names_exists():
    text = (ROOT / "docs" / "tutorial.md").read_text()

    names = re.findall(r"`((?:conf|src)/[\w/.]+)`", text)

    assert names
    assert not [name for name in names if not (ROOT / name).exists()]

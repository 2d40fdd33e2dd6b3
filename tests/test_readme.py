"""Every command in README, CONTRIBUTING and docs/ is valid, and every link has a target."""

import re
import shlex
from pathlib import Path

import pytest

from conftest import compose
from unrolled.cli import COMMANDS
from unrolled.config.checks import check_config

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted(ROOT.glob("docs/*.md")),
]
TRAIN = re.compile(r"(?:unrolled|scripts/)[ ]?train\b([^`#|\n]*)")


def commands() -> list[tuple[str, str]]:
    found = [
        (page.name, match.strip())
        for page in PAGES
        if page.name != "own-data.md"  # needs files: test_inspect.py runs it
        for match in TRAIN.findall(page.read_text())
    ]
    return sorted(
        {(page, line) for page, line in found if not re.search(r"[.]{3}|[A-Z]{2}|--|my_data", line)}
    )


@pytest.mark.parametrize(("page", "line"), commands())
def test_a_documented_training_command_composes(page, line):
    words = [word for word in shlex.split(line) if word not in ("-m", "run=latest")]
    if "model=running_mean" in words:
        pytest.skip("the walk-through of CONTRIBUTING.md adds this model")

    # options that add keys
    adding = [w for w in words if w == "sweep=optuna" or re.match(r"experiment=[^,]+$", w)]
    for word in words:  # a sweep trains one run for each value
        key, _, values = word.partition("=")
        for value in values.split(",") if not values.startswith("[") else [values]:
            others = [other for other in adding if other != word]
            check_config(compose(*others, f"{key}={value}" if values else word))


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


def test_the_readme_has_at_most_150_lines():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_every_file_that_the_tutorial_page_names_exists():
    text = (ROOT / "docs" / "tutorial.md").read_text()

    names = re.findall(r"`((?:conf|src)/[\w/.]+)`", text)

    assert names
    assert not [name for name in names if not (ROOT / name).exists()]

"""docs/testing.md lists every rare test, every file with slow tests, and every criterion."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "testing.md").read_text(encoding="utf-8")
RAN = r"20\d\d-\d\d-\d\d at commit|not run since commit"


def marked(marker: str) -> set[tuple[str, str]]:
    """Return path and name of each test that has a marker, also if only some cases have it."""
    return {
        (str(path.relative_to(TESTS.parent)), node.name)
        for path in TESTS.rglob("test_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
        if f"pytest.mark.{marker}" in " ".join(map(ast.unparse, node.decorator_list))
    }


def acceptance_tests() -> dict[str, set[str]]:
    """Return the files that test each criterion, by its number."""
    found: dict[str, set[str]] = {}
    for path in TESTS.rglob("test_*.py"):
        text = path.read_text(encoding="utf-8")
        for number in re.findall(r"^@pytest\.mark\.acceptance\(\"(A\d+)\"\)$", text, re.MULTILINE):
            found.setdefault(number, set()).add(str(path.relative_to(TESTS.parent)))
    return found


def test_every_rare_test_is_listed_with_its_last_run() -> None:
    tests = marked("rare")

    assert tests
    for _, name in tests:
        assert re.search(rf"^\| `{name}` \|.*\| ({RAN}) .*\|$", PAGE, re.MULTILINE), name


def test_every_file_with_slow_tests_is_listed() -> None:
    files = {path for path, _ in marked("slow")}

    assert len(files) > 5
    assert not [path for path in files if f"| `{path}` |" not in PAGE]


def test_every_criterion_is_tested_where_the_page_lists_it() -> None:
    rows = re.findall(r"^\| (A\d+) \|.*\| ([^|]*) \|$", PAGE, re.MULTILINE)

    assert [number for number, _ in rows] == [f"A{n}" for n in range(1, 35)]
    assert {number: set(re.findall(r"`([^`]+)`", files)) for number, files in rows} == (
        acceptance_tests()
    )

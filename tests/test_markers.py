"""docs/testing.md lists every rare test, and every file with slow tests."""

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


def test_every_rare_test_is_listed_with_its_last_run() -> None:
    tests = marked("rare")

    assert tests
    for _, name in tests:
        assert re.search(rf"^\| `{name}` \|.*\| ({RAN}) .*\|$", PAGE, re.MULTILINE), name


def test_every_file_with_slow_tests_is_listed() -> None:
    files = {path for path, _ in marked("slow")}

    assert len(files) > 5
    assert not [path for path in files if f"| `{path}` |" not in PAGE]

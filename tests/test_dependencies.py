"""What is installed is pinned, and no code loads files in a way that can run code."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
FILES = [path for name in ("src", "benchmarks", "scripts") for path in (ROOT / name).rglob("*.py")]
FLOORS = {"torch": "2.10", "lightning": "2.6.6", "hydra-core": "1.3.8"}
# Calls that can run code or write outside their folder, and the argument that makes them safe.
DANGEROUS = {
    "torch.load": ("weights_only", "True"),
    "yaml.load": ("Loader", "LOADER"),  # CSafeLoader or SafeLoader, in runs/text_file.py
    "extractall": ("filter", "'data'"),
    "unpack_archive": None,
    "pickle.load": None,
    "pickle.loads": None,
}
MADE_IN_THIS_PROCESS = {
    "src/unrolled/config/caches.py",
    "src/unrolled/runs/config_file.py",
}  # may read its own pickles


@pytest.mark.acceptance("A33")
def test_every_package_of_the_lock_file_is_pinned_with_hashes() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))

    assert len(entries) > 50
    assert [entry for entry in entries if not re.search(r"==\S+", entry)] == []
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
    torch = (ROOT / "requirements-torch.lock").read_text(encoding="utf-8")
    assert re.search(r"^torch==\d+\.\d+\.\d+$", torch, re.MULTILINE)


@pytest.mark.acceptance("A33")
@pytest.mark.parametrize("name", FLOORS)
def test_versions_with_known_attacks_are_excluded(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {one.name: one for one in map(Requirement, project["dependencies"])}

    floors = [s.version for s in needed[name].specifier if s.operator == ">="]
    assert [Version(floor) >= Version(FLOORS[name]) for floor in floors] == [True]


def dangerous_calls(path: Path) -> Iterator[str]:
    """Yield the calls of a file that can run code from a file that they read."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        arguments = {word.arg: ast.unparse(word.value) for word in node.keywords}
        if arguments.get("allow_pickle", "False") != "False":
            yield ast.unparse(node)
        known = next((word for word in DANGEROUS if name == word or name.endswith(f".{word}")), "")
        safe = DANGEROUS.get(known)
        if known and (safe is None or arguments.get(safe[0]) != safe[1]):
            yield ast.unparse(node)


@pytest.mark.acceptance("A34")
def test_no_code_reads_files_in_a_way_that_can_run_code() -> None:
    found = {str(path.relative_to(ROOT)): list(dangerous_calls(path)) for path in FILES}

    assert len(found) > 200
    assert {path for path, calls in found.items() if calls} == MADE_IN_THIS_PROCESS


@pytest.mark.acceptance("A34")
@pytest.mark.parametrize(
    "call",
    [
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "numpy.load(path, allow_pickle=True)",
        "archive.extractall(folder)",
        "shutil.unpack_archive(path)",
        "yaml.load(text, Loader=yaml.Loader)",
        "pickle.load(file)",
    ],
)
def test_a_dangerous_call_is_found(call: str, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(call)

    assert list(dangerous_calls(tmp_path / "a.py")) == [call]

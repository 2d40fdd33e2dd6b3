"""Arrows point one way: which package may import which, and what each file may reach for."""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

import unrolled

SOURCE = Path(unrolled.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
MAX_LINES = 400

# A package is a file or folder directly under src/unrolled. It may import itself, `errors`, and:
ALLOWED: dict[str, set[str]] = {
    "__init__": {"api", "config", "explaining", "prediction", "reports", "runs"},
    "__main__": {"cli"},
    "api": {
        "commands",
        "config",
        "data",
        "explaining",
        "prediction",
        "reports",
        "runs",
        "training",
    },
    "baselines": {"contracts"},
    "bench": {
        "building",
        "config",
        "data",
        "encoders",
        "heads",
        "output",
        "prediction",
        "reports",
        "runs",
        "training",
    },
    "building": {
        "baselines",
        "checking",
        "config",
        "contracts",
        "data",
        "encoders",
        "heads",
        "memory",
        "stems",
    },
    "callbacks": {
        "classifier",
        "config",
        "contracts",
        "data",
        "lightning_internals",
        "output",
        "runs",
        "seeding",
    },
    "checking": {"contracts", "encoders"},
    "classifier": {"building", "contracts", "data", "lightning_internals"},
    "cli": {"__init__", "commands", "config", "memory", "output", "processes"},
    "commands": {
        "bench",
        "building",
        "checking",
        "config",
        "data",
        "explaining",
        "export",
        "output",
        "prediction",
        "processes",
        "reports",
        "runs",
        "sweeps",
        "training",
    },
    "config": {"masking"},
    "contracts": set(),
    "data": {"config", "contracts", "memory", "output", "scales", "seeding", "small_recipe"},
    "encoders": set(),
    "errors": set(),
    "explaining": {
        "building",
        "config",
        "contracts",
        "data",
        "encoders",
        "prediction",
        "runs",
        "streaming",
    },
    "export": {
        "__init__",
        "building",
        "config",
        "contracts",
        "data",
        "encoders",
        "heads",
        "memory",
        "prediction",
        "runs",
        "scales",
        "stems",
        "streaming",
    },
    "heads": {"contracts"},
    "lightning_internals": set(),
    "masking": set(),
    "memory": set(),
    "output": {"masking"},
    "prediction": {
        "building",
        "config",
        "contracts",
        "data",
        "encoders",
        "heads",
        "memory",
        "output",
        "runs",
        "scales",
        "streaming",
    },
    "processes": {"config"},
    "reports": {
        "building",
        "config",
        "contracts",
        "encoders",
        "explaining",
        "output",
        "prediction",
        "runs",
        "scales",
    },
    "runs": {"config", "masking"},
    "scales": set(),
    "seeding": set(),
    "small_recipe": set(),
    "stems": {"contracts", "encoders", "small_recipe"},
    "streaming": {"building", "data"},
    "sweeps": {
        "building",
        "config",
        "masking",
        "output",
        "processes",
        "reports",
        "runs",
        "seeding",
        "training",
    },
    "training": {
        "building",
        "callbacks",
        "classifier",
        "config",
        "data",
        "memory",
        "output",
        "runs",
        "stems",
    },
}

# Which packages may use a library at all; a library that is not named here is free.
USERS = {
    "hydra": {"cli", "commands", "config", "sweeps", "training"},
    "omegaconf": {
        "api",
        "bench",
        "building",
        "cli",
        "commands",
        "config",
        "export",
        "prediction",
        "processes",
        "reports",
        "runs",
        "sweeps",
        "training",
    },
    "lightning": {
        "bench",
        "callbacks",
        "classifier",
        "data",
        "lightning_internals",
        "runs",
        "sweeps",
        "training",
    },
    "pandas": {"bench", "commands", "data", "prediction"},
    "torchmetrics": {"classifier"},
    "sklearn": {"api", "callbacks", "data", "reports"},  # callbacks draw the confusion matrix
    "rich": {"callbacks", "reports"},
}

# Members of Lightning's Trainer that its documentation does not name.
UNDOCUMENTED = {"fit_loop", "precision_plugin"}
# Of torch, Hydra and MetricCollection.
NOT_LIGHTNINGS = {"_foreach_norm", "_target_"}

# What an encoder or a head may import beside torch and its own package.
PLAIN = {"torch", "jaxtyping", *sys.stdlib_module_names}


def package_of(path: Path) -> str:
    return path.relative_to(SOURCE).with_suffix("").parts[0]


@cache
def nodes_of(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


@cache
def imports_of(path: Path) -> frozenset[str]:
    """Return the full name of every module that a file imports, wherever in the file it does."""
    return frozenset(_imports_of(path))


def _imports_of(path: Path) -> Iterator[str]:
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where arrows point"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def packages_imported_by(path: Path) -> set[str]:
    packages = set()
    for name in imports_of(path):
        first, *rest = name.split(".")
        if first == "unrolled":
            is_package = rest and (
                (SOURCE / rest[0]).is_dir() or (SOURCE / f"{rest[0]}.py").is_file()
            )
            packages.add(rest[0] if is_package else "__init__")
    return packages


@cache
def calls_in(path: Path) -> set[str]:
    """Return the names that a file calls, as written."""
    return {ast.unparse(node.func) for node in nodes_of(path) if isinstance(node, ast.Call)}


def in_files(found_in: Callable[[Path], set[str]]) -> dict[str, set[str]]:
    """Return what a function finds in the files of the package, without the files it is empty for.

    One test for all files: the overhead of a test is larger than the time of such a check.
    """
    found = {str(path.relative_to(SOURCE)): found_in(path) for path in FILES}
    assert len(found) > 100
    return {name: names for name, names in found.items() if names}


def test_a_file_imports_only_from_rooms_that_its_room_may_know() -> None:
    def wrong(path: Path) -> set[str]:
        package = package_of(path)
        assert package in ALLOWED, f"add to ALLOWED in this file what {package} may import"
        return packages_imported_by(path) - {package, "errors"} - ALLOWED[package]

    assert in_files(wrong) == {}


def test_the_table_names_rooms_that_exist_and_are_used() -> None:
    """A permission that nobody needs is an arrow waiting to be drawn."""
    used: dict[str, set[str]] = {package: set() for package in ALLOWED}
    for path in FILES:
        used[package_of(path)] |= packages_imported_by(path) - {package_of(path), "errors"}
    used["cli"].add("commands")  # by name, when a command is typed
    assert used == ALLOWED


def test_no_arrow_leads_back() -> None:
    """The table has an order in which every package comes after the packages that it imports."""
    left = {package: set(known) - {"__init__"} for package, known in ALLOWED.items()}
    while left:
        ready = {package for package, known in left.items() if not known & left.keys()}
        assert ready, f"a cycle among {sorted(left)}"
        left = {package: known for package, known in left.items() if package not in ready}


def test_a_library_is_used_only_where_it_belongs() -> None:
    def wrong(path: Path) -> set[str]:
        libraries = {name.split(".")[0] for name in imports_of(path)}
        return {name for name in libraries & USERS.keys() if package_of(path) not in USERS[name]}

    assert in_files(wrong) == {}


@pytest.mark.parametrize("package", ["encoders", "heads"])
def test_encoders_and_heads_know_torch_and_their_own_room_only(package: str) -> None:
    for path in (SOURCE / package).rglob("*.py"):
        foreign = {
            name
            for name in imports_of(path)
            if name.split(".")[0] not in PLAIN
            and not name.startswith(
                (f"unrolled.{package}.", "unrolled.contracts.", "unrolled.errors")
            )
        }
        assert foreign == set(), path.name


@pytest.mark.parametrize("package", ["encoders", "heads"])
def test_an_encoder_or_head_does_not_know_its_neighbours(package: str) -> None:
    """A class of its own per file; what several share stands in a file that no option names."""
    conf = Path(__file__).parents[1] / "conf" / {"encoders": "model", "heads": "head"}[package]
    options = {path.stem for path in conf.glob("[!_]*.yaml")}
    for path in (SOURCE / package).rglob("*.py"):
        known = {
            name.split(".")[2]
            for name in imports_of(path)
            if name.startswith(f"unrolled.{package}.")
        }
        assert known & options == set(), path.name


def test_only_the_command_line_exits() -> None:
    exits = in_files(lambda path: calls_in(path) & {"exit", "quit", "sys.exit", "os._exit"})
    assert exits.keys() == {"cli.py"}


def test_no_file_instantiates_with_hydra() -> None:
    """`building.instantiation.make` does it, so that prediction needs no Hydra."""
    hydras = {"hydra.utils.instantiate", "hydra.utils.call"}
    assert in_files(lambda path: hydras & set(imports_of(path))) == {}


def foreign_members_in(path: Path) -> set[str]:
    """Return the private members that a file uses of objects whose class it does not define."""
    nodes = nodes_of(path)
    own = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
    own |= {
        node.attr
        for node in attributes
        if isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"
    }
    used = {node.attr for node in attributes}
    used |= {str(node.value) for node in nodes if isinstance(node, ast.Constant)}
    used |= {name.rsplit(".", 1)[-1] for name in imports_of(path)}
    private = {name for name in used if re.fullmatch("_[a-z]+(_[a-z]+)*|_[A-Z]+", name)}
    return private - own - NOT_LIGHTNINGS | used & UNDOCUMENTED


def test_only_one_file_uses_private_members_of_lightning() -> None:
    def wrong(path: Path) -> set[str]:
        uses_lightning = any(name.split(".")[0] == "lightning" for name in imports_of(path))
        return foreign_members_in(path) if uses_lightning else set()

    assert in_files(wrong).keys() == {"lightning_internals.py"}


def test_no_file_is_called_utils() -> None:
    vague = {"util", "utils", "helper", "helpers", "misc", "common"}
    assert [path for path in SOURCE.rglob("*") if path.stem in vague] == []


def test_no_file_is_longer_than_a_person_reads() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {path: length for path, length in lengths.items() if length > MAX_LINES} == {}


def test_torch_is_not_imported_before_work_starts() -> None:
    code = (
        "import sys, unrolled, unrolled.cli, unrolled.config.composition, unrolled.config.checks, "
        "unrolled.runs.run_folder, unrolled.commands.train, unrolled.commands.evaluate, "
        "unrolled.commands.list, unrolled.commands.report, hydra_plugins.unrolled_sweeps, "
        "unrolled.commands.predict, unrolled.commands.inspect, unrolled.commands.check, "
        "unrolled.commands.export, unrolled.commands.bench, unrolled.commands.explain; "
        "slow = {'torch', 'lightning', 'sklearn', 'pandas', 'scipy'} & sys.modules.keys(); "
        "sys.exit(', '.join(slow) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")

"""Sweeps in real processes: the fork server of the resume tests starts them, and they fork jobs."""

import csv
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from resume.conftest import SMALL, Run

QUICK = ("trainer.max_epochs=1", "logger=none", "data.baselines=false")


@dataclass
class Sweep(Run):
    """A sweep in a folder of its own, started as often as it is stopped."""

    more: list[str] = field(default_factory=list)

    def begin(self, *words: str, **plan: Any) -> int:
        """Start it; return its process."""
        place = f"hydra.sweep.dir={self.folder}"
        words = (*QUICK, *self.overrides, *words)  # the last one counts
        return self.start(["train", "-m", *SMALL, *words, place], **plan)

    def go(self, *words: str, **plan: Any) -> int:
        """Carry it out; return its exit code."""
        Path(self.path / "output.txt").unlink(missing_ok=True)  # what is read is of this start
        return self.wait(self.begin(*words, **plan))

    @property
    def results(self) -> dict[int, dict[str, Any]]:
        """What each job's folder says, by its seed."""
        found = {}
        for path in self.folder.glob("*/result.json"):
            seed = int(path.parent.name.split("_seed-")[1].split("_")[0])
            found[seed] = json.loads(path.read_text()) | {"folder": path.parent}
        return found

    @property
    def table(self) -> list[dict[str, str]]:
        """The rows of sweep.csv less what cannot be the same twice."""
        with (self.folder / "sweep.csv").open() as file:
            return [
                {name: value for name, value in row.items() if name != "seconds"}
                for row in csv.DictReader(file)
            ]

    @property
    def lines(self) -> list[str]:
        """What was said of each job when it ended."""
        return [line for line in self.output.splitlines() if "[HYDRA] [" in line]


@pytest.fixture
def new_sweep(server: Any, tmp_path: Path) -> Any:
    """Make a sweep with these overrides."""

    def make(*overrides: str) -> Sweep:
        path = tmp_path / str(len(list(tmp_path.iterdir())))
        path.mkdir()
        return Sweep(server, path, overrides)

    return make


@pytest.fixture(scope="session")
def finished(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """A sweep over three seeds that nobody disturbed. Only to be read."""
    sweep = Sweep(server, tmp_path_factory.mktemp("finished"), ("seed=1,2,3",))
    assert sweep.go("hydra.launcher.jobs_at_once=1") == 0, sweep.output
    return sweep


@pytest.fixture
def copied(finished: Sweep, tmp_path: Path) -> Sweep:
    """The same, to be changed."""
    sweep = Sweep(finished.server, tmp_path, finished.overrides)
    shutil.copytree(finished.folder, sweep.folder)
    return sweep

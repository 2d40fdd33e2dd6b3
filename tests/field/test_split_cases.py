"""Small files built after public bug reports: no split shares what another one has."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from conftest import compose
from unrolled.building.data import load_data
from unrolled.cli import run

FOLDER = Path(__file__).parent / "split_cases"
SWINGS = "data=files data.id=swing data.time=minute data.label=kind"
# By folder: arguments of `train` and a pattern of the error.
REFUSED = {
    "class_only_in_test": (
        f"{SWINGS} data.path=a.csv data.test_path=b.csv",
        r"b\.csv: the class 'new' does not occur",
    ),
    "features_twice": (
        f"{SWINGS} data.path=a.csv data.features=[angle,angle]",
        r"data\.features names 'angle' twice",
    ),
    "test_path_same_file": (
        f"{SWINGS} data.path=a.csv data.test_path=a.csv",
        r"is in train \(data\.path=.*a\.csv\) and, .* in test \(data\.test_path=.*60 such",
    ),
}


def test_every_folder_is_a_case() -> None:
    names = [*REFUSED, "group_without_split"]
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(names)


@pytest.mark.parametrize("name", REFUSED)
def test_data_that_cannot_be_split_is_refused_before_training(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, pattern = REFUSED[name]
    shutil.copytree(FOLDER / name, tmp_path / "case")
    monkeypatch.chdir(tmp_path / "case")
    code = run(["train", *arguments.split(), "trainer.max_steps=1", "logger=none"])
    assert (code, bool(re.search(pattern, capsys.readouterr().err))) == (3, True)


@pytest.mark.parametrize("split", ["stratified", "random", "group"])
def test_group_without_split(split: str) -> None:
    settings: dict[str, Any] = {
        "path": str(FOLDER / "group_without_split" / "data.csv"),
        "id": "rec",
        "time": "t",
        "label": "label",
        "group": "patient",
        "split": split,
    }
    config = compose("data=files", "recipe=own", "data.test_size=0.2")
    for key, value in settings.items():
        config.data[key] = value
    groups = load_data(config).groups.values()
    assert sum(map(len, groups)) == len(set().union(*groups))

"""Run folders of released versions are loaded by this version; docs/release.md adds a folder."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

import unrolled
from unrolled.cli import run
from unrolled.runs import migrations
from unrolled.runs.run_folder import RunFolder

GOLDEN = Path(__file__).parent / "golden"
VERSIONS = sorted(path.name for path in GOLDEN.glob("*/"))


def columns_of(path: Path) -> dict[str, list[str]]:
    with path.open() as file:
        rows = list(csv.DictReader(file))
    return {name: [row[name] for row in rows] for name in rows[0]}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_run_of_a_released_version_predicts_what_it_predicted_then(
    version: str, tmp_path: Path
) -> None:
    shutil.copytree(GOLDEN / version / "run", tmp_path / "run")
    words = (f"run={tmp_path / 'run'}", f"input={GOLDEN / 'sequences.csv'}")

    assert run(["predict", *words, f"output={tmp_path / 'now.csv'}"]) == 0

    then, now = columns_of(GOLDEN / version / "predictions.csv"), columns_of(tmp_path / "now.csv")
    assert now["predicted"] == then["predicted"]
    for name in unrolled.load(tmp_path / "run").class_names:
        column = f"p_{name}"
        np.testing.assert_allclose(
            [float(p) for p in now[column]], [float(p) for p in then[column]], atol=1e-5
        )


@pytest.mark.parametrize("version", VERSIONS)
def test_the_run_of_a_released_version_is_listed_and_evaluated(
    version: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(GOLDEN / version / "run", tmp_path / "run")
    words = (f"run={tmp_path / 'run'}", f"input={GOLDEN / 'sequences.csv'}")

    assert run(["evaluate", *words]) == 0
    assert run(["list", f"root={tmp_path}"]) == 0

    result = RunFolder(tmp_path / "run").result()
    assert result is not None
    assert f"{result.scores['test/accuracy']:.4f}" in capsys.readouterr().out


def test_a_change_of_format_is_one_function_per_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = VERSIONS[-1]
    shutil.copytree(GOLDEN / version / "run", tmp_path / "run")

    def rename(values: dict[str, object]) -> None:
        values["names_of_classes"] = values.pop("class_names")

    def add(values: dict[str, object]) -> None:
        values.setdefault("added", 3)

    monkeypatch.setattr(migrations, "FORMAT_VERSION", migrations.FORMAT_VERSION + 1)
    changes = {migrations.FORMAT_VERSION - 1: rename}
    monkeypatch.setitem(migrations.FILES, "preprocessing.json", changes)
    monkeypatch.setattr(migrations, "CONFIG", [add])
    folder = RunFolder(tmp_path / "run")

    assert folder.preprocessing()["names_of_classes"] == ["falling", "rising"]
    assert folder.config().added == 3


def test_a_residual_stack_from_before_the_compiled_loops_is_computed_as_then() -> None:
    model = {"_target_": "unrolled.encoders.blocks.residual.ResidualStack"}
    assert migrations.migrate_config({"model": model})["model"]["kernel"] == "torch"
    assert migrations.migrate_config({"model": None})["model"] is None

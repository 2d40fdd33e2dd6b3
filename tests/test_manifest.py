"""Files of a run that were damaged or exchanged are noticed before they are used."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from unrolled.cli import run
from unrolled.errors import CheckpointError
from unrolled.prediction.predictor import Predictor
from unrolled.reports.runs import read_run
from unrolled.runs import manifest
from unrolled.runs.run_folder import RunFolder
from unrolled.training import experiment


@pytest.fixture
def folder(tiny_run: SimpleNamespace, tmp_path: Path) -> RunFolder:
    """A copy of a finished run."""
    shutil.copytree(tiny_run.folder.path, tmp_path / "run")
    return RunFolder(tmp_path / "run")


def change(folder: RunFolder, name: str) -> None:
    path = folder.path / name
    if name == "config.yaml":
        path.write_text(path.read_text().replace("\nseed: 1\n", "\nseed: 2\n"))
    elif name == "preprocessing.json":
        values = json.loads(path.read_text())
        values["class_names"].reverse()
        path.write_text(json.dumps(values))
    else:
        path.write_bytes(path.read_bytes()[:-1] + b"!")


@pytest.mark.parametrize("ended", [True, False], ids=["ended", "not ended"])
@pytest.mark.parametrize("name", manifest.FOR_PREDICTION)
def test_a_changed_file_is_not_used(name: str, ended: bool, folder: RunFolder) -> None:
    if not ended:
        manifest.remove(folder)
        folder.remove_result()
    Predictor(folder)
    change(folder, name)

    with pytest.raises(CheckpointError, match=f"{name} is (not the file|damaged)"):
        Predictor(folder)
    with pytest.raises(CheckpointError, match=f"{name} is (not the file|damaged)"):
        experiment.evaluate(folder.config(), folder)


def test_the_checkpoint_of_another_run_is_not_used(
    folder: RunFolder, tiny_run: SimpleNamespace
) -> None:
    other = tiny_run.folder.last_checkpoint  # a valid checkpoint, but not the best one
    shutil.copy(other, folder.best_checkpoint)

    with pytest.raises(CheckpointError, match=r"best\.ckpt is not the file that the run wrote"):
        Predictor(folder)


def test_a_report_does_not_use_a_changed_result(folder: RunFolder) -> None:
    read_run(folder)
    path = folder.path / "result.json"
    path.write_text(path.read_text().replace('"test/accuracy": 0.', '"test/accuracy": 1.'))

    with pytest.raises(CheckpointError, match=r"result\.json is not the file"):
        read_run(folder)


def test_a_longer_run_gets_a_new_manifest(folder: RunFolder) -> None:
    before = (folder.path / manifest.NAME).read_text()
    config = folder.config()
    config.trainer.max_epochs += 1

    experiment.resume(config, folder, overrides=[])

    assert (folder.path / manifest.NAME).read_text() != before
    Predictor(folder)


def test_a_run_that_was_killed_while_its_manifest_was_written_gets_one(folder: RunFolder) -> None:
    (folder.path / manifest.NAME).rename(folder.path / ".manifest.json.1.tmp")

    assert run(["resume", f"run={folder.path}"]) == 0

    assert not list(folder.path.glob(".*.tmp"))
    change(folder, "preprocessing.json")
    with pytest.raises(CheckpointError, match="is not the file that the run wrote"):
        Predictor(folder)


def test_a_changed_file_gets_no_manifest(folder: RunFolder) -> None:
    manifest.remove(folder)
    change(folder, "preprocessing.json")

    assert run(["resume", f"run={folder.path}"]) == CheckpointError.exit_code

    assert not (folder.path / manifest.NAME).exists()

"""Files of a run folder that are damaged, hostile or no files get a plain message."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from unrolled.cli import run
from unrolled.errors import CheckpointError
from unrolled.prediction.predictor import Predictor
from unrolled.runs import text_file
from unrolled.runs.run_folder import RunFolder

BOMB = "a: &a [x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n"
    for old, new in zip("abcdefghi", "bcdefghij", strict=True)
)


def replaced_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replaced_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "an alias bomb": lambda path: path.write_text(BOMB),
    "deep nesting": lambda path: path.write_text("[" * 3000 + "]" * 3000),
    "no keys": lambda path: path.write_text("3"),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "empty": lambda path: path.write_text(""),
    "a folder": replaced_by_folder,
    "a pipe": replaced_by_pipe,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=list(DAMAGE))
@pytest.mark.parametrize("name", ["config.yaml", "preprocessing.json", "checkpoints/best.ckpt"])
def test_a_damaged_file_is_named(
    name: str,
    damage: Callable[[Path], object],
    tiny_run: SimpleNamespace,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(tiny_run.folder.path, tmp_path / "run")
    (tmp_path / "run/manifest.json").unlink()
    damage(tmp_path / "run" / name)

    with pytest.raises(CheckpointError, match=Path(name).name.replace(".", r"\.")):
        Predictor(RunFolder(tmp_path / "run"))
    assert run(["list", f"root={tmp_path}"]) == 0
    output = capsys.readouterr().out
    assert "Traceback" not in output
    assert len(output) < 2000


def replaced_by_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("victim")


@pytest.mark.parametrize("damage", [replaced_by_folder, replaced_by_pipe, replaced_by_link])
@pytest.mark.parametrize("name", [".lock", "train.log", "manifest.json"])
def test_a_run_is_not_resumed_through_a_link_a_pipe_or_a_folder(
    name: str, damage: Callable[[Path], object], tmp_path: Path
) -> None:
    (tmp_path / name).touch()
    (tmp_path / "victim").write_text("precious")
    damage(tmp_path / name)

    refused = pytest.raises(CheckpointError, match=f"{re.escape(name)} is not an ordinary file")
    with refused, RunFolder(tmp_path).held():
        pass
    assert (tmp_path / "victim").read_text() == "precious"


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "config.yaml").open("wb") as file:
        file.truncate(text_file.LARGEST + 1)
    with pytest.raises(CheckpointError, match=r"config\.yaml is damaged: it has 67,108,865 bytes"):
        RunFolder(tmp_path).config()

"""Checkpoints that would run code when they are unpickled, by every way into the program."""

import os
import shutil
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from unrolled.cli import run
from unrolled.data.files.opening import open_bytes
from unrolled.errors import DataError


class Poison:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.marker,)


def poisoned_bytes(path: Path, marker: Path) -> bytes:
    """Return a checkpoint with a valid checksum that runs code when it is unpickled."""
    import hashlib

    torch.save({"state_dict": {}, "poison": Poison(marker)}, path)
    content = bytearray(path.read_bytes())
    content[-2:] = (64).to_bytes(2, "little")
    return bytes(content + hashlib.sha256(content).hexdigest().encode())


@pytest.mark.acceptance("A27")
@pytest.mark.parametrize("kind", ["file", "symbolic link", "without checksum"])
def test_a_poisoned_checkpoint_runs_no_code(
    kind: str,
    tiny_run: SimpleNamespace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    monkeypatch.chdir(tmp_path)
    marker = tmp_path / "marker"
    shutil.copytree(tiny_run.folder.path, "run")
    Path("run/manifest.json").unlink()
    Path("run/result.json").unlink()  # so that the run can be resumed
    np.savez("x.npz", x=np.zeros((2, 8, 8), np.float32))
    content = poisoned_bytes(tmp_path / "poison", marker)
    for name in ("best.ckpt", "last.ckpt"):
        path = Path("run/checkpoints") / name
        path.unlink()
        if kind == "symbolic link":
            Path("poison").write_bytes(content)
            path.symlink_to(tmp_path / "poison")
        else:
            path.write_bytes(content[:-64] if kind == "without checksum" else content)

    codes = {
        "train": run(
            ["train", "trainer=cpu", "debug=fast", "init_from=run", "model.hidden_size=32"]
        ),
        "resume": run(["resume", "run=run"]),
        "evaluate": run(["evaluate", "run=run"]),
        "predict": run(["predict", "run=run", "input=x.npz", "output=y.csv"]),
    }

    assert codes == dict.fromkeys(codes, 4), capsys.readouterr().err
    assert not marker.exists()
    monkeypatch.delenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    torch.load("poison", weights_only=False)  # the poison is one
    assert marker.exists()


@pytest.mark.acceptance("A27")
def test_a_checkpoint_is_not_read_from_an_address(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["resume"], ["evaluate"], ["predict", "input=x.npz", "output=y.csv"]):
        assert run([*words, "run=http://127.0.0.1:9/run"]) in (3, 4)
    assert run(["train", "init_from=http://127.0.0.1:9/run"]) == 4


@pytest.mark.acceptance("A30")
@pytest.mark.parametrize("name", ["../outside.csv", "/tmp/outside.csv"])
def test_an_archive_is_never_unpacked_to_its_paths(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    with zipfile.ZipFile(folder / "a.csv.zip", "w") as archive:
        archive.writestr(name, "id,label\n")

    with open_bytes(folder / "a.csv.zip") as file:
        assert file.read(100) == b"id,label\n"

    assert sorted(tmp_path.rglob("*")) == [folder, folder / "a.csv.zip"]


@pytest.mark.acceptance("A30")
def test_an_archive_of_several_files_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.csv", "")
        archive.writestr("b.csv", "")

    with pytest.raises(DataError, match="contains 2 files"):
        open_bytes(tmp_path / "a.zip")

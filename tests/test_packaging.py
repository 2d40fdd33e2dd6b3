"""What is installed works from anywhere: conf/ travels inside the wheel."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("hatchling")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The contents of the wheel, as pip would lay them out."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True, timeout=100)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_holds_every_config(installed):
    inside = {
        path.relative_to(installed / "unrolled") for path in installed.rglob("conf/**/*.yaml")
    }

    assert inside == {path.relative_to(ROOT) for path in ROOT.glob("conf/**/*.yaml")}


def test_an_installed_wheel_trains_from_another_folder(installed, tmp_path):
    command = [sys.executable, "-c", "from unrolled.cli import main; main()", "train", "debug=fast"]

    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "outputs" / "digits" / "lstm").is_dir()

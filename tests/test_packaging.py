"""The wheel works from any folder and contains conf/, and scripts/setup protects linked folders."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ACTIVE = ("VIRTUAL_ENV", "CONDA_PREFIX")  # environments that setup would use in place of .venv


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The contents of the wheel, as pip installs them."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_holds_every_config_and_is_typed(installed):
    inside = {
        path.relative_to(installed / "unrolled") for path in installed.rglob("conf/**/*.yaml")
    }

    assert inside == {path.relative_to(ROOT) for path in ROOT.glob("conf/**/*.yaml")}
    assert (installed / "unrolled" / "py.typed").exists(), "type checkers read the annotations"


def test_an_installed_wheel_trains_from_another_folder(installed, tmp_path):
    command = [sys.executable, "-c", "from unrolled.cli import main; main()", "train", "debug=fast"]

    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "nothing is printed to standard error"
    assert (tmp_path / "outputs" / "debug" / "digits" / "lstm").is_dir()


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_example_of_a_model_of_your_own_works_with_an_installed_wheel(installed, tmp_path):
    """Every command of docs/your-own-model.md, shortened, in a folder with the files it names."""
    module, snippet = blocks("your-own-model.md", "python")
    config, gru, _ = blocks("your-own-model.md", "yaml")
    (tmp_path / "my_cells.py").write_text(module)
    (tmp_path / "my_cell.yaml").write_text(config)
    (tmp_path / "my_gru.yaml").write_text(gru)
    commands = [line for block in blocks("your-own-model.md", "bash") for line in block.split("\n")]
    commands = [command for command in commands if command]
    commands.append("unrolled check model=my_gru")

    def carry_out(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-P", *words],  # -P: the working folder is not on the path
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(installed)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    output = {}
    for command in commands:
        words = command.split()[1:]
        short = ["debug=fast", "logger=none"] if words[0] == "train" else []
        output[command] = carry_out("-m", "unrolled", *words, *short)
    carry_out("-c", f"import numpy\nx = numpy.zeros((2, 8, 8))\n{snippet}")

    assert output["unrolled check model=my_cell allow=my_cells"].count("passed") == 14
    sweep = output["unrolled train -m model=lstm,my_cell seed=1,2 allow=my_cells"]
    assert re.search(r"LeakyUnits +.* 2 ", sweep)
    assert re.search(r"LSTM +.* 2 ", sweep)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with scripts/setup and the files that it reads."""
    (tmp_path / "scripts").mkdir()
    for name in ("scripts/setup", "requirements.lock", "requirements-torch.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def setup(checkout: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if key not in ACTIVE}
    return subprocess.run(
        [checkout / "scripts" / "setup"],
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("is_made_by_setup", [True, False])
def test_setup_refuses_a_linked_environment_and_leaves_its_target_as_it_is(
    checkout, tmp_path_factory, is_made_by_setup
):
    target = tmp_path_factory.mktemp("target")
    (target / "precious").write_text("data")
    if is_made_by_setup:
        (target / "unrolled.own").touch()
    before = sorted(target.rglob("*"))
    (checkout / ".venv").symlink_to(target)

    done = setup(checkout)

    assert done.returncode == 1
    assert done.stdout == ""
    assert f".venv is a symbolic link to {target}" in done.stderr
    assert sorted(target.rglob("*")) == before
    assert (checkout / ".venv").is_symlink()


def test_setup_refuses_a_link_to_an_environment_that_has_torch(checkout):
    (checkout / ".venv").symlink_to(sys.prefix)

    done = setup(checkout)

    assert (done.returncode, done.stdout) == (1, "")
    assert "rm .venv" in done.stderr


def test_the_test_script_prints_how_to_run_the_slow_and_the_rare_tests(checkout):
    shutil.copy(ROOT / "scripts" / "test", checkout / "scripts" / "test")
    (checkout / "scripts" / "setup").write_text("#!/bin/sh\necho echo\n")

    done = subprocess.run(
        [checkout / "scripts" / "test", "tests/test_cli.py"], capture_output=True, text=True
    )

    assert done.returncode == 0
    assert done.stdout.split()[-1] == "tests/test_cli.py"
    assert "scripts/test -m slow" in done.stderr
    assert "scripts/test -m rare" in done.stderr

"""Every command of README.md and docs/ runs, shortened: one epoch of one batch, few jobs.

A page is one test, and its commands run in order in one folder. The commands that recorded scores
in docs/results.md and docs/models.md are slow tests of their own. No command downloads anything:
MNIST is replaced by a few random images.
"""

import gzip
import hashlib
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

import unrolled
from conftest import options
from unrolled.bench.settings import read_settings
from unrolled.cli import run
from unrolled.data.sources.idx_files import PARTS, TEST_PARTS
from unrolled.data.sources.published import MNIST_FILES

pytestmark = pytest.mark.usefixtures("undrawn_pages")

ROOT = Path(__file__).parents[1]
RECORDS = ("results.md", "models.md")
PAGES = {path.name: path.read_text() for path in [ROOT / "README.md", *ROOT.glob("docs/*.md")]}

SHORT = (
    "trainer.max_epochs=1",
    "trainer.limit_train_batches=1",
    "trainer.limit_val_batches=1",
    "trainer.limit_test_batches=1",
    "data.batch_size=4",
    "data.eval_batch_size=4",
    "data.num_folds=2",
    "logger=none",
)
NOT_RUN = {
    "git clone": "needs the network",
    "cd ": "changes the folder of the shell",
    "tensorboard": "serves a page until it is stopped",
    "unrolled bench": "measures for minutes; tests/bench runs it",
    "scripts/test": "starts the tests within a test",
    "python3.13 -m venv": "makes an environment",
    "/tmp/env/bin/pip": "installs PyTorch",
    "VIRTUAL_ENV=": "starts the tests within a test",
    "OMP_NUM_THREADS=1 ": "measures for minutes",
    "unrolled export": "tests/export runs it in a process of its own",
    "unrolled train model=running_mean": "test_walkthrough.py runs the example of a new model",
}
SYNTAX = re.compile(r"[= ](DIR|FILE|NAME|SEED|RUN|SWEEP)\b")  # in the text, not in a block


def in_blocks(page: str) -> list[str]:
    """Return the commands of the fenced blocks of a page, one per item, without comments."""
    blocks = re.findall(r"^ *```(\w*)\n(.*?)^ *```", PAGES[page], re.MULTILINE | re.DOTALL)
    lines = [line for kind, text in blocks if kind == "bash" for line in text.splitlines()]
    known = ("unrolled ", "scripts/train", "scripts/test", "OMP_NUM_THREADS", "python ")
    lines += [
        line
        for kind, text in blocks
        if kind == ""
        for line in text.splitlines()
        if line.startswith(known)
    ]
    commands = [part for line in lines for part in line.split("#")[0].split("&&")]
    return [command.strip() for command in commands if command.strip()]


def in_text(page: str) -> list[str]:
    """Return the commands with settings that the text of a page has in backquotes."""
    found = re.findall(r"`((?:unrolled|scripts/\w+) [^`]*)`", PAGES[page])
    commands = (" ".join(command.split()) for command in found)
    return [command for command in commands if "=" in command and not SYNTAX.search(command)]


def is_run(command: str) -> bool:
    return not command.startswith(tuple(NOT_RUN))


def without_seeds(commands: list[str]) -> list[str]:
    """Leave out what differs from another command only in its seeds."""
    return list(dict.fromkeys(re.sub(r" seed=[\d,]+$", "", command) for command in commands))


def shortened(command: str) -> list[str]:
    """Return the arguments of a command for one epoch of one batch and at most two jobs."""
    words = shlex.split(command.replace("scripts/train", "unrolled train"))[1:]
    for number, word in enumerate(words):
        key, _, values = word.partition("=")
        if key in ("seed", "data.fold") or (key == "experiment" and "," in values):
            words[number] = f"{key}={values.split(',')[0]}"
        elif key in ("model", "data.name"):
            words[number] = f"{key}={','.join(values.split(',')[:2])}"
        elif key == "data.source.min_steps":
            words[number] = f"{key}=20"
        elif key == "sweep.num_trials" or (key == "ensemble" and values.isdecimal()):
            words[number] = f"{key}=2"
        if key == "trainer.max_epochs" and words[0] == "resume":
            words[number] = f"{key}=2"
    if words[0] != "train" or "--help" in words:
        return words
    for word in words:
        if word.startswith("experiment=") and "-m" in words:
            words += first_of_sweep(word.partition("=")[2])
    trials = ["sweep.num_trials=2"] if "sweep=optuna" in words else []
    return [*words, *SHORT, *trials]


def first_of_sweep(experiment: str) -> list[str]:
    """Return the first value of each setting that an experiment sweeps over by itself."""
    config = OmegaConf.load(ROOT / "conf" / "experiment" / f"{experiment}.yaml")
    params = OmegaConf.select(config, "hydra.sweeper.params") or {}
    return [f"{key}={str(values).split(',')[0]}" for key, values in params.items()]


def newest(pattern: str) -> Path:
    return max(Path().glob(pattern), key=lambda path: path.stat().st_mtime_ns).parent


def filled_in(words: list[str]) -> list[str]:
    """Replace the placeholders of a page by folders that its earlier commands have made."""
    sweeps, runs = "outputs/sweeps/*/sweep.csv", "outputs/digits/*/*/result.json"
    filled = []
    for word in words:
        key, equals, value = word.partition("=")
        if key in ("run", "init_from") and value != "latest":
            word = f"{key}={newest(runs)}"
        elif key == "from":
            word = f"{key}={newest('outputs/sweeps/*/best.yaml')}/best.yaml"
        elif not equals and word in ("DIR", "outputs/sweeps/DIR"):
            word = str(newest(sweeps))
        elif word == "outputs/sweeps/DIR/JOB":
            word = str(newest("outputs/sweeps/*/*/result.json"))
        filled.append(word)
    return filled


def carry_out(command: str, *, for_train: tuple[str, ...] = ()) -> None:
    words = filled_in(shortened(command))
    if words[0] == "train" and "--help" not in words:
        words += for_train
    assert run(words) == 0, f"{command}\nas: unrolled {' '.join(words)}"


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes()
    return header + array.tobytes()


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undrawn_pages: None) -> Path:
    """An empty working folder, with images of MNIST's shape in $UNROLLED_DATA_DIR."""
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    draw = np.random.default_rng(0)
    checksums = {}
    for (images, labels), num in ((PARTS, 5040), (TEST_PARTS, 20)):  # 5,000 for validation
        pixels = draw.integers(0, 256, (num, 28, 28), dtype=np.uint8)
        classes = np.arange(num, dtype=np.uint8) % 10
        for name, array in ((images, pixels), (labels, classes)):
            checksums[name] = hashlib.sha256(idx(array)).hexdigest()
            (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array), compresslevel=0))
    monkeypatch.setattr(MNIST_FILES, "sha256", checksums)
    monkeypatch.setenv("UNROLLED_DATA_DIR", str(folder.parent))
    place = tmp_path / "workplace"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


def write_swings() -> None:
    """Run the script of docs/own-data.md, which writes a table of sequences."""
    script, *_ = re.findall(r"```python\n(.*?)```", PAGES["own-data.md"], re.DOTALL)
    exec(compile(script, "own-data.md", "exec"), {})


def write_archive(name: str) -> None:
    """Write NAME_TRAIN.ts and NAME_TEST.ts with eight sequences each."""
    for part, offset in (("TRAIN", 0), ("TEST", 0.5)):
        rows = [f"{n + offset},2,3,4:4,3,2,1:{'ab'[n % 2]}" for n in range(8)]
        text = "\n".join(
            ["@problemName X", "@timeStamps false", "@classLabel true a b", "@data", *rows]
        )
        Path(f"{name}_{part}.ts").write_text(text)


def test_the_commands_of_the_readme_run(workplace: Path) -> None:
    write_swings()
    table = Path("swings.csv").read_text().replace("swing,", "id,", 1)
    for name in ("my.csv", "new.csv"):
        Path(name).write_text(table)

    for command in filter(is_run, in_blocks("README.md")):
        carry_out(command)

    assert Path("classes.csv").read_text().startswith("id,predicted,p_fast,p_slow\n")


def test_the_notebook_example_of_the_readme_runs(workplace: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGES["README.md"], re.DOTALL)
    short = example.replace('"seed=2"]', f'"seed=2", *{SHORT}]')
    assert short != example
    names = {"x": torch.randn(3, 8, 8), "unrolled": unrolled}

    exec(compile(short, "README.md", "exec"), names)

    assert len(names["prediction"].labels) == 3


def test_the_commands_about_your_own_data_run(workplace: Path) -> None:
    write_swings()
    Path("GunPoint").mkdir()
    write_archive("GunPoint/GunPoint")
    events = re.search(r"`events.csv`:\n\n```text\n(.*?)```", PAGES["own-data.md"], re.DOTALL)
    assert events is not None
    Path("events.csv").write_text(events[1])

    for command in filter(is_run, in_blocks("own-data.md")):
        carry_out(command, for_train=("data.baselines=false",))  # README.md fits them

    assert Path("predictions.csv").read_text().startswith("id,predicted,p_fast,p_slow\n")
    assert Path("my_data.png").read_bytes().startswith(b"\x89PNG")


def test_the_commands_about_streams_run(workplace: Path) -> None:
    write_swings()
    commands = list(filter(is_run, in_blocks("deploy.md")))
    stream, *_ = re.findall(r"```python\n(.*?)```", PAGES["deploy.md"], re.DOTALL)
    carry_out("unrolled inspect path=swings.csv id=swing")

    for command in commands:
        carry_out(command)
    exec(compile(stream, "deploy.md", "exec"), {})

    assert Path("steps.csv").read_text().startswith("id,step,predicted,p_fast,p_slow\n")


def test_the_commands_about_probabilities_run(workplace: Path) -> None:
    write_swings()
    Path("new.csv").write_text(Path("swings.csv").read_text() + "a,1,0.5,0.5,slow\n")

    for command in in_blocks("probabilities.md"):
        carry_out(command, for_train=("data.baselines=false",))

    assert Path("sets.csv").read_text().startswith("id,predicted,set,p_fast,p_slow\n")


def journeys() -> dict[str, list[str]]:
    """Return the commands of each journey, by its title."""
    sections = PAGES["journeys.md"].split("\n## ")[1:]
    blocks = {
        text.split(":")[0]: re.findall(r"```bash\n(.*?)```", text, re.DOTALL) for text in sections
    }
    return {title: "".join(found).splitlines() for title, found in blocks.items()}


@pytest.mark.parametrize("title", journeys())
def test_a_journey_has_at_most_ten_commands_that_run(title: str, workplace: Path) -> None:
    write_swings()
    for name, language in (("my_cells.py", "python"), ("my_cell.yaml", "yaml")):
        example = re.search(rf"```{language}\n(.*?)```", PAGES["your-own-model.md"], re.DOTALL)
        assert example is not None
        Path(name).write_text(example[1])
    commands = journeys()[title]

    assert 0 < len(commands) <= 10
    for command in commands:
        carry_out(command)


def test_the_examples_in_python_run(workplace: Path) -> None:
    examples = re.findall(r"```python\n(.*?)```", PAGES["python.md"], re.DOTALL)
    names: dict[str, object] = {}

    for example in examples:
        short = example.replace('"model=gru"', f'"model=gru", *{SHORT}')
        short = short.replace("max_steps=50", "max_steps=1")
        exec(compile(short, "python.md", "exec"), names)


def test_the_commands_about_resuming_run(workplace: Path) -> None:
    carry_out("unrolled train")

    for command in filter(is_run, in_blocks("resume.md")):
        carry_out(command)


@pytest.mark.parametrize(
    "page", ["explain.md", "reference.md", "sweeps.md", "tutorial.md", "tried.md"]
)
def test_the_commands_of_a_page_run(page: str, workplace: Path) -> None:
    for name in ("GunPoint", "ArrowHead"):
        (Path("data") / name).mkdir(parents=True)
        write_archive(f"data/{name}/{name}")

    for command in filter(is_run, without_seeds([*in_blocks(page), *in_text(page)])):
        carry_out(command)


def recorded() -> list[str]:
    commands = [command for page in RECORDS for command in (*in_blocks(page), *in_text(page))]
    return sorted(filter(is_run, without_seeds(commands)))


@pytest.mark.slow
@pytest.mark.parametrize("command", recorded())
def test_a_command_that_recorded_scores_runs(command: str, workplace: Path) -> None:
    write_archive("BasicMotions")
    write_archive("GunPoint")
    write_archive("ACSF1")

    carry_out(command)


def test_every_option_in_a_command_exists() -> None:
    """Also the values of a sweep of which only the first ones are run."""
    pages = PAGES.keys() - {"your-own-model.md"}  # its options are files of the example
    commands = [command for page in pages for command in (*in_blocks(page), *in_text(page))]
    words = [word for command in filter(is_run, commands) for word in command.split()]
    chosen = [word.split("=", 1) for word in words if re.match(r"(model|head|experiment)=", word)]
    named = {(group, value) for group, values in chosen for value in values.split(",")}
    named -= {("model", "my_cell")}  # of your-own-model.md

    assert len(named) > 40
    assert not {(group, value) for group, value in named if value not in options(group)}


def test_every_documented_bench_has_settings_that_exist() -> None:
    pages = [command for page in PAGES for command in (*in_blocks(page), *in_text(page))]
    commands = [command for command in pages if command.startswith("unrolled bench")]
    assert len(commands) >= 4
    for command in commands:
        words = [word for word in shlex.split(command)[2:] if not word.startswith("-")]
        chosen = read_settings(words, recorded={})
        assert set(chosen.models) <= set(options("model")), command
        experiments = {word[11:] for word in chosen.loop if word.startswith("experiment=")}
        assert experiments <= set(options("experiment")), command


def test_every_command_of_a_block_is_run_or_known_not_to_run() -> None:
    tested = {"README.md", "own-data.md", "resume.md", "reference.md", "sweeps.md", "tutorial.md"}
    tested |= {"tried.md", *RECORDS, "testing.md", "deploy.md", "python.md", "journeys.md"}
    tested |= {"reliability.md", "probabilities.md", "sharing.md", "release.md"}
    tested |= {"your-own-model.md"}  # test_packaging.py
    tested |= {"explain.md", "performance.md"}
    assert set(PAGES) == tested
    for page in PAGES:
        for command in filter(is_run, in_blocks(page)):
            assert command.startswith(("unrolled ", "scripts/train")), (page, command)
    assert not list(filter(is_run, in_blocks("testing.md")))
    every = [command for page in PAGES for command in (*in_blocks(page), *in_text(page))]
    for start in NOT_RUN:
        assert any(command.startswith(start) for command in every), start

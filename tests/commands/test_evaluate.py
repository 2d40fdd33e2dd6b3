"""`unrolled evaluate input=FILE`: all sequences of a new labelled file, from the run folder."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf
from scipy.stats import binomtest
from sklearn.metrics import f1_score, log_loss

from unrolled.cli import run
from unrolled.commands.evaluate import refuse_new_split
from unrolled.errors import ConfigError
from unrolled.prediction.predictor import Predictor
from unrolled.runs.run_folder import RunFolder

CLASSES = ["down", "flat", "up"]
SETTINGS = (
    *("data=files", "recipe=own", "data.id=id", "data.time=t", "data.label=y"),
    *("model.hidden_size=4", "trainer.max_epochs=1", "logger=none", "data.baselines=false"),
)
Printed = pytest.CaptureFixture[str]


def rows(num: int, *, seed: int, scale: float = 1.0) -> pd.DataFrame:
    """Return sequences of 6 to 9 steps and two features."""
    rng = np.random.default_rng(seed)
    table = []
    for number in range(num):
        kind = number % 3
        for step in range(int(rng.integers(6, 10))):
            value = scale * ((kind - 1) * step + rng.normal())
            table.append((f"s{number:02d}", step, value, rng.normal(), CLASSES[kind]))
    return pd.DataFrame(table, columns=["id", "t", "v", "w", "y"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mine")
    rows(30, seed=0).to_csv(path / "train.csv", index=False)
    assert run(["train", *SETTINGS, "data.val_size=0.2", *place(path)]) == 0
    return path / "run"


def place(path: Path) -> list[str]:
    return [f"data.path={path / 'train.csv'}", f"hydra.run.dir={path / 'run'}"]


@pytest.fixture
def new(tmp_path: Path) -> Callable[[pd.DataFrame], str]:
    """Write a table, and return the argument that names it."""

    def write(table: pd.DataFrame) -> str:
        table.to_csv(tmp_path / "new.csv", index=False)
        return f"input={tmp_path / 'new.csv'}"

    return write


def test_the_scores_are_those_of_the_predictions(
    folder: Path, new: Callable[[pd.DataFrame], str], tmp_path: Path, capsys: Printed
) -> None:
    table = rows(20, seed=1)
    argument = new(table)
    capsys.readouterr()
    assert run(["evaluate", f"run={folder}", argument]) == 0
    printed = capsys.readouterr().out
    prediction = Predictor(RunFolder(folder)).predict_file(tmp_path / "new.csv")[1]
    labels = table.groupby("id")["y"].first().tolist()
    right = [one == other for one, other in zip(labels, prediction.labels, strict=True)]
    interval = binomtest(sum(right), 20).proportion_ci(method="wilson")
    f1 = f1_score(labels, prediction.labels, average="macro")
    loss = log_loss(labels, prediction.probabilities)
    assert f"20 sequences: {sum(right)} correct, accuracy {sum(right) / 20:.4f}" in printed
    assert f"(95 % interval {interval.low:.4f} to {interval.high:.4f})" in printed
    assert f"loss {loss:.4f}, macro F1 {f1:.4f}" in printed


def test_the_table_has_number_and_recall_of_each_class_and_a_class_may_be_missing(
    folder: Path, new: Callable[[pd.DataFrame], str], tmp_path: Path, capsys: Printed
) -> None:
    table = rows(20, seed=1)
    argument = new(table[table["y"] != "flat"])
    capsys.readouterr()
    assert run(["evaluate", f"run={folder}", argument]) == 0
    printed = capsys.readouterr().out.replace("│", " ").splitlines()
    prediction = Predictor(RunFolder(folder)).predict_file(tmp_path / "new.csv")[1]
    labels = table[table["y"] != "flat"].groupby("id")["y"].first().tolist()
    right = sum(pair == ("up", "up") for pair in zip(labels, prediction.labels, strict=True))
    found = {words[0]: words[1:] for line in printed if (words := line.split())}
    assert found["flat"] == ["0", "0"]
    assert found["up"] == ["6", str(right), f"{right / 6:.4f}"]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_output_has_the_mistakes(
    suffix: str, folder: Path, new: Callable[[pd.DataFrame], str], tmp_path: Path
) -> None:
    table = rows(20, seed=1)
    output = tmp_path / f"mistakes.{suffix}"
    words = ["evaluate", f"run={folder}", new(table), f"output={output}"]
    assert run(words) == 0
    read = pd.read_csv if suffix == "csv" else pd.read_parquet
    found = read(output)  # type: ignore[operator]
    ids, prediction = Predictor(RunFolder(folder)).predict_file(tmp_path / "new.csv")
    labels = table.groupby("id")["y"].first().tolist()
    triples = zip(ids, labels, prediction.labels, strict=True)
    expected = [triple for triple in triples if triple[1] != triple[2]]
    assert list(found.columns) == ["id", "label", "predicted", "p_down", "p_flat", "p_up"]
    assert found.iloc[:, :3].to_numpy().tolist() == [list(triple) for triple in expected]
    assert run(words) == 2  # it exists
    assert run([*words, "overwrite=true"]) == 0


def test_a_file_without_mistakes_gives_a_table_without_rows(
    folder: Path, new: Callable[[pd.DataFrame], str], tmp_path: Path
) -> None:
    table = rows(20, seed=1)
    new(table)
    ids, prediction = Predictor(RunFolder(folder)).predict_file(tmp_path / "new.csv")
    table["y"] = table["id"].map(dict(zip(ids, prediction.labels, strict=True)))
    output = tmp_path / "mistakes.csv"
    assert run(["evaluate", f"run={folder}", new(table), f"output={output}"]) == 0
    assert output.read_text() == "id,label,predicted,p_down,p_flat,p_up\n"


def test_a_class_that_the_run_does_not_know_is_named(
    folder: Path, new: Callable[[pd.DataFrame], str], capsys: Printed
) -> None:
    argument = new(rows(6, seed=1).replace({"y": {"up": "sideways"}}))
    assert run(["evaluate", f"run={folder}", argument]) == 3
    assert "the class 'sideways' does not occur in the training file" in capsys.readouterr().err


def test_rows_out_of_order_do_not_change_the_scores(
    folder: Path, new: Callable[[pd.DataFrame], str], capsys: Printed
) -> None:
    printed = []
    for table in (rows(20, seed=1), rows(20, seed=1).sort_values("t")):
        argument = new(table)
        capsys.readouterr()
        assert run(["evaluate", f"run={folder}", argument]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]


def test_a_moved_run_evaluates_without_its_training_file(
    folder: Path, new: Callable[[pd.DataFrame], str], tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "run")
    argument = new(rows(6, seed=1))
    hidden = folder.parent / "hidden.csv"
    (folder.parent / "train.csv").rename(hidden)
    assert run(["evaluate", f"run={tmp_path / 'run'}", argument]) == 0
    hidden.rename(folder.parent / "train.csv")


def test_a_training_file_next_to_the_old_test_file_is_refused() -> None:
    """Only the old test file would be tested."""
    before, data = (OmegaConf.create({"path": p, "test_path": "t.csv"}) for p in ("a.csv", "b.csv"))
    with pytest.raises(ConfigError, match=r"data\.test_path=t\.csv; .* type input=b\.csv"):
        refuse_new_split(before, data)
    data.test_path = "u.csv"
    refuse_new_split(before, data)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["output=a.csv"], "output=a.csv needs input=FILE"),
        (["input=a.csv", "data.label=y"], "data.label=y: evaluate reads input=FILE with the"),
        (["input=a.csv", "output=a.txt"], "need a name that ends in .csv or .parquet"),
        (["input=a.csv", "strict=yes"], "strict=yes: need true or false"),
        (["data.path=new.csv"], "to evaluate all sequences of a new file, type input=new.csv"),
    ],
)
def test_arguments_that_do_not_fit_together_are_refused(
    arguments: list[str],
    message: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Printed,
) -> None:
    monkeypatch.chdir(tmp_path)
    rows(6, seed=1).to_csv("new.csv", index=False)
    assert run(["evaluate", f"run={folder}", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_strict_refuses_values_far_outside_the_training_range(
    command: str, folder: Path, new: Callable[[pd.DataFrame], str], tmp_path: Path, capsys: Printed
) -> None:
    argument = new(rows(6, seed=1, scale=1000))
    words = [command, f"run={folder}", argument, f"output={tmp_path / 'out.csv'}"]
    assert run([*words, "strict=true"]) == 3
    assert "'v': " in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()
    assert run(words) == 0


def test_a_run_stores_the_range_of_its_training_set(folder: Path) -> None:
    table = pd.read_csv(folder.parent / "train.csv")[["v", "w"]]
    stored = RunFolder(folder).preprocessing()["ranges"]
    assert (table.min() <= stored["lowest"]).all()
    assert (table.max() >= stored["highest"]).all()
    assert stored["lowest"][0] < table["v"].quantile(0.2)
    assert stored["highest"][0] > table["v"].quantile(0.8)


def test_a_run_without_stored_ranges_is_not_checked(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    predictor = Predictor(RunFolder(folder))
    predictor.run.fitted = replace(predictor.run.fitted, ranges=None)
    assert len(predictor.predict(np.full((1, 5, 2), 1e6)).labels) == 1
    assert caplog.text == ""


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ensemble on windows whose class can change within a recording."""
    path = tmp_path_factory.mktemp("windows")
    changing(12, seed=0).to_csv(path / "train.csv", index=False)
    size = ["data.window.size=3", "data.window.label=any", "data.per_sequence=true"]
    sizes = ["ensemble=2", "data.val_size=0", "data.test_size=0"]
    assert run(["train", *SETTINGS, *size, *sizes, *place(path)]) == 0
    return path / "run"


def changing(num: int, *, seed: int) -> pd.DataFrame:
    table = rows(num, seed=seed)
    return table.assign(y=np.where(table["t"] < 3, "flat", table["y"]))


def test_windows_are_counted_if_their_class_can_change(
    windows: Path, new: Callable[[pd.DataFrame], str], tmp_path: Path, capsys: Printed
) -> None:
    table = changing(4, seed=1)
    num = int(np.ceil(table.groupby("id").size() / 3).sum())
    output = tmp_path / "mistakes.csv"
    argument = new(table)
    capsys.readouterr()
    assert run(["evaluate", f"run={windows}", argument, f"output={output}"]) == 0
    assert f"{num} windows: " in capsys.readouterr().out
    mistakes = pd.read_csv(output)
    assert list(mistakes.columns[:4]) == ["id", "window", "label", "predicted"]
    assert not mistakes.duplicated(["id", "window"]).any()
    assert set(mistakes.loc[mistakes["window"] == 0, "label"]) <= {"flat"}


@pytest.mark.parametrize("which", ["folder", "windows"])
def test_the_scores_are_those_of_a_test_file(
    which: str,
    new: Callable[[pd.DataFrame], str],
    request: pytest.FixtureRequest,
    capsys: Printed,
) -> None:
    run_folder = request.getfixturevalue(which)
    argument = new((changing if which == "windows" else rows)(6, seed=2))
    capsys.readouterr()
    assert run(["evaluate", f"run={run_folder}", argument]) == 0
    printed = capsys.readouterr().out
    test_path = argument.replace("input=", "data.test_path=")
    assert run(["evaluate", f"run={run_folder}", test_path]) == 0
    scores = json.loads((run_folder / "evaluation.json").read_text())["scores"]
    assert f"accuracy {scores['test/accuracy']:.4f} " in printed
    for name, score in (("loss", "loss"), ("macro F1", "f1")):
        assert f"{name} {scores[f'test/{score}']:.4f}" in printed
    assert f"calibration error {scores['test/calibration_error']:.4f}" in printed

"""Cases from the field about predicting and evaluating new files, with one assertion each.

The name of a test is the name of its case. Cases with the same training file share a run, and
`stdin_predict`, `relative_path_elsewhere`, `wide_longer_test` and `init_from_equals` use the files
of other cases.
"""

import os
import shutil
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import unrolled
from conftest import compose
from unrolled.building.data import load_data
from unrolled.cli import run

CASES = Path(__file__).parent / "cases"
SWINGS = CASES / "api_dataframe_order" / "a.csv"
COLUMNS = ("data.id=swing", "data.time=minute", "data.label=kind")
TINY = (
    *("recipe=own", "model.hidden_size=4", "data.val_size=0.1", "data.test_size=0"),
    *("trainer.max_epochs=1", "trainer.max_steps=2", "logger=none", "test=false"),
)


def trained(folder: Path, *settings: str) -> Path:
    """Train in a folder, and return the run folder."""
    assert run(["train", "data=files", *TINY, *settings, f"hydra.run.dir={folder / 'run'}"]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def swings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a file that was typed with a relative path."""
    folder = tmp_path_factory.mktemp("swings")
    shutil.copy(SWINGS, folder / "a.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return trained(folder, "data.path=a.csv", *COLUMNS, "data.test_size=0.2")


def predicted(folder: Path, source: Path, target: Path) -> pd.DataFrame:
    assert run(["predict", f"run={folder}", f"input={source}", f"output={target}"]) == 0
    return pd.read_csv(target, keep_default_na=False)


def test_api_dataframe_order(swings: Path) -> None:
    rows = pd.read_csv(SWINGS)
    first = rows[rows["swing"] == "s00"]
    predictor = unrolled.load(swings)
    one = predictor.predict([first[["angle", "wind"]]])
    other = predictor.predict([first[["wind", "angle"]]])
    np.testing.assert_array_equal(one.probabilities, other.probabilities)


def test_units_in_predict(swings: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    predicted(swings, CASES / "units_in_predict" / "b.csv", tmp_path / "p.csv")
    assert "'angle': 97.9 % of 663 values; training range" in caplog.text


def test_stdin_predict(swings: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_bytes, args=(SWINGS.read_bytes(),)).start()
    assert len(predicted(swings, pipe, tmp_path / "p.csv")) == 60


def test_relative_path_elsewhere(
    swings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["evaluate", f"run={swings}"]) == 0


def test_odd_class_names(tmp_path: Path) -> None:
    source = CASES / "odd_class_names" / "a.csv"
    folder = trained(tmp_path, f"data.path={source}", *COLUMNS)
    table = predicted(folder, source, tmp_path / "p.csv")
    assert list(table.columns) == ["id", "predicted", "p_a, b", 'p_x"y']


def test_folder_upper_predict(tmp_path: Path) -> None:
    case = CASES / "folder_upper_predict"
    folder = trained(tmp_path, f"data.path={case / 'd'}", "data.time=t")
    table = predicted(folder, case / "new", tmp_path / "p.csv")
    assert sorted(table["id"]) == ["B", "a"]


def test_wide_longer_predict(tmp_path: Path) -> None:
    case = CASES / "wide_longer_predict"
    path = f"data.path={case / 'train.csv'}"
    folder = trained(tmp_path, path, "data.id=id", "data.label=kind")
    table = predicted(folder, case / "new.csv", tmp_path / "p.csv")
    steps = pd.read_csv(case / "new.csv").filter(like="x_").to_numpy()  # 15 of them
    whole = unrolled.load(folder).predict([row[~np.isnan(row)][:, None] for row in steps])
    np.testing.assert_allclose(table["p_low"], whole.probabilities[:, 1], atol=1e-6)


def test_wide_longer_test() -> None:
    case = CASES / "wide_longer_predict"
    files = [f"data.path={case / 'train.csv'}", f"data.test_path={case / 'new.csv'}"]
    data = load_data(compose("data=files", *files, "data.id=id", "data.label=kind"))
    assert data.parts.test is not None
    assert int(data.parts.test.lengths.max()) == 15


def test_long_longer_predict(tmp_path: Path) -> None:
    case = CASES / "long_longer_predict"
    columns = ["data.id=id", "data.time=t", "data.label=kind"]
    folder = trained(tmp_path, f"data.path={case / 'train.csv'}", *columns)
    table = predicted(folder, case / "new.csv", tmp_path / "p.csv")
    rows = pd.read_csv(case / "new.csv")
    whole = unrolled.load(folder).predict([part[["x"]] for _, part in rows.groupby("id")])
    ordered = table.sort_values("id")["p_low"]
    np.testing.assert_allclose(ordered, whole.probabilities[:, 1], atol=1e-6)


def test_init_from_equals(
    tiny_run: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_run.folder.path, "runs/lr=0.1")
    words = ["init_from=runs/lr=0.1", "trainer.max_steps=1", "model.hidden_size=32", "logger=none"]
    assert run(["train", *words, "hydra.run.dir=lr=0.2"]) == 0

"""`unrolled predict`: a new file is read as the training file was; a row per sequence comes out."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from unrolled.cli import run
from unrolled.prediction.predictor import Predictor
from unrolled.runs.run_folder import RunFolder

SETTINGS = (
    "data=files",
    "recipe=own",
    "data.id=name of it",
    "data.time=minute",
    "data.label=kind",
    "model.hidden_size=8",
    "trainer.max_epochs=3",
    "logger=none",
    "data.baselines=false",
)


def some_rows(num: int, *, seed: int) -> pd.DataFrame:
    """Return ragged sequences, rising or falling, in an order that is nobody's."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(num):
        kind = ["rising", "falling"][number % 2]
        for minute in range(int(rng.integers(3, 9))):
            slope = 1 if kind == "rising" else -1
            rows.append((f"s{number:02d}", minute, slope * minute + rng.normal(), 0.5, kind))
    names = ["name of it", "minute", "temp [T#1], °C", "b", "kind"]
    frame = pd.DataFrame(rows, columns=names)
    return frame.iloc[rng.permutation(len(frame))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file that has a difficult name, and the run that was trained on it."""
    path = tmp_path_factory.mktemp("mine")
    some_rows(40, seed=0).to_csv(path / "a b, c=~ü.csv", index=False)
    arguments = [*SETTINGS, f"data.path={path / 'a b, c=~ü.csv'}", f"hydra.run.dir={path / 'run'}"]
    assert run(["train", *arguments]) == 0
    return path


def predict(folder: Path, source: Path, target: Path, *more: str) -> int:
    words = [f"run={folder / 'run'}", f"input={source}", f"output={target}", *more]
    return run(["predict", *words])


def test_there_is_a_row_per_sequence_with_a_probability_per_class(
    folder: Path, tmp_path: Path
) -> None:
    some_rows(10, seed=1).drop(columns="kind").to_csv(tmp_path / "new.csv", index=False)
    assert predict(folder, tmp_path / "new.csv", tmp_path / "out.csv") == 0
    out = pd.read_csv(tmp_path / "out.csv")
    assert list(out.columns) == ["id", "predicted", "p_falling", "p_rising"]
    assert sorted(out["id"]) == [f"s{number:02d}" for number in range(10)]
    np.testing.assert_allclose(out["p_falling"] + out["p_rising"], 1, rtol=1e-5)
    likelier = np.where(out["p_rising"] > out["p_falling"], "rising", "falling")
    assert list(out["predicted"]) == list(likelier)


def test_a_prediction_uses_the_threads_of_the_run(folder: Path, tmp_path: Path) -> None:
    some_rows(4, seed=1).to_csv(tmp_path / "new.csv", index=False)
    for words in (["predict", f"output={tmp_path / 'out.csv'}"], ["evaluate"]):
        torch.set_num_threads(2)  # as torch does on two cores
        assert run([*words, f"run={folder / 'run'}", f"input={tmp_path / 'new.csv'}"]) == 0
        assert torch.get_num_threads() == 1


def test_neither_the_order_of_rows_nor_that_of_columns_changes_a_prediction(
    folder: Path, tmp_path: Path
) -> None:
    rows = some_rows(10, seed=1)
    rows.to_csv(tmp_path / "one.csv", index=False)
    rows[rows.columns[::-1]].sort_values("minute").to_csv(tmp_path / "other.csv", index=False)
    results = []
    for name in ("one", "other"):
        assert predict(folder, tmp_path / f"{name}.csv", tmp_path / f"{name}-out.csv") == 0
        results.append(pd.read_csv(tmp_path / f"{name}-out.csv").sort_values("id"))
    pd.testing.assert_frame_equal(*(result.reset_index(drop=True) for result in results))


def test_csv_and_parquet_say_the_same(folder: Path, tmp_path: Path) -> None:
    rows = some_rows(6, seed=2)
    rows.to_csv(tmp_path / "in.csv", index=False)
    rows.to_parquet(tmp_path / "in.parquet", index=False)
    assert predict(folder, tmp_path / "in.csv", tmp_path / "out.parquet") == 0
    assert predict(folder, tmp_path / "in.parquet", tmp_path / "out.csv") == 0
    one, other = pd.read_parquet(tmp_path / "out.parquet"), pd.read_csv(tmp_path / "out.csv")
    pd.testing.assert_frame_equal(one, other, check_dtype=False)


def test_a_run_that_was_moved_predicts_without_its_data(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "run", tmp_path / "run")
    some_rows(4, seed=3).to_csv(tmp_path / "new.csv", index=False)
    data = Path(RunFolder(tmp_path / "run").config().data.path)
    data.rename(data.with_suffix(".away"))
    try:
        assert predict(tmp_path, tmp_path / "new.csv", tmp_path / "out.csv") == 0
    finally:
        data.with_suffix(".away").rename(data)


def test_a_file_is_predicted_as_its_arrays_are(folder: Path, tmp_path: Path) -> None:
    rows = some_rows(6, seed=4).sort_values(["name of it", "minute"])
    rows.to_csv(tmp_path / "in.csv", index=False)
    predictor = Predictor(RunFolder(folder / "run"))
    ids, from_file = predictor.predict_file(tmp_path / "in.csv")
    features = ["temp [T#1], °C", "b"]
    arrays = [part[features].to_numpy() for _, part in rows.groupby("name of it")]
    assert ids == sorted(set(rows["name of it"]))
    assert from_file.labels == predictor.predict(arrays).labels


def test_a_dataframe_is_predicted_as_the_file_with_its_rows_is(
    folder: Path, tmp_path: Path
) -> None:
    rows = some_rows(6, seed=4)
    rows.to_csv(tmp_path / "in.csv", index=False)
    predictor = Predictor(RunFolder(folder / "run"))
    from_file = predictor.predict_file(tmp_path / "in.csv")[1]
    from_frame = predictor.predict(rows[rows.columns[::-1]].assign(other="x"))
    np.testing.assert_array_equal(from_file.probabilities, from_frame.probabilities)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"b": "bb"}, "has no column 'b'"),
        ({"name of it": "name"}, "has no column 'name of it'"),
        ({"minute": "hour"}, "has no column 'minute'"),
    ],
)
def test_a_column_that_is_missing_is_named(
    change: dict[str, str],
    message: str,
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    some_rows(4, seed=5).rename(columns=change).to_csv(tmp_path / "new.csv", index=False)
    assert predict(folder, tmp_path / "new.csv", tmp_path / "out.csv") == 3
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


def test_a_cell_that_is_no_number_is_told_with_its_place(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = some_rows(4, seed=5).astype({"b": object})
    rows.iloc[2, 3] = "oops"
    rows.to_csv(tmp_path / "new.csv", index=False)
    assert predict(folder, tmp_path / "new.csv", tmp_path / "out.csv") == 3
    assert "new.csv, line 4, column 'b': 'oops' is not a number" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run=latest"], "predict takes run=DIR"),
        (["run=x", "input=a.csv", "output=a.txt"], "output=a.txt: need a name that ends in .csv"),
        (["run=x", "input=a.csv", "output=a.csv"], "output=a.csv is the input"),
        (["run=x", "input=a.csv", "output=b.csv", "c=1"], "predict takes run=DIR"),
        (
            ["run=x", "input=a", "output=b.csv", "overwrite=1"],
            "overwrite=1: need true or false",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["predict", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_an_existing_output_is_replaced_only_on_request(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    some_rows(10, seed=1).drop(columns="kind").to_csv(tmp_path / "new.csv", index=False)
    output = tmp_path / "out.csv"
    output.write_text("mine")

    assert predict(folder, tmp_path / "new.csv", output) == 2

    assert "exists; type overwrite=true to replace it" in capsys.readouterr().err
    assert output.read_text() == "mine"
    assert predict(folder, tmp_path / "new.csv", output, "overwrite=true") == 0
    assert len(pd.read_csv(output)) == 10


def test_an_output_that_is_a_symbolic_link_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    some_rows(10, seed=1).drop(columns="kind").to_csv(tmp_path / "new.csv", index=False)
    (tmp_path / "precious.csv").write_text("mine")
    (tmp_path / "out.csv").symlink_to(tmp_path / "precious.csv")

    assert predict(folder, tmp_path / "new.csv", tmp_path / "out.csv", "overwrite=true") == 2

    assert "is a symbolic link to" in capsys.readouterr().err
    assert (tmp_path / "precious.csv").read_text() == "mine"


def test_a_labelled_file_is_evaluated_with_the_classes_of_the_run(
    folder: Path, tmp_path: Path
) -> None:
    """Even where one of them does not occur in it."""
    rows = some_rows(6, seed=6)
    rows[rows["kind"] == "rising"].to_csv(tmp_path / "rising.csv", index=False)
    test_path = f"data.test_path={tmp_path / 'rising.csv'}"
    assert run(["evaluate", f"run={folder / 'run'}", test_path]) == 0
    ids, prediction = Predictor(RunFolder(folder / "run")).predict_file(tmp_path / "rising.csv")
    accuracy = prediction.labels.count("rising") / len(ids)
    evaluation = pd.read_json(folder / "run" / "evaluation.json", typ="series")
    assert evaluation["scores"]["test/accuracy"] == pytest.approx(accuracy)


def test_a_run_on_arrays_predicts_from_arrays(tiny_run: SimpleNamespace, tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((5, 8, 8), dtype=np.float32)
    np.savez(tmp_path / "x.npz", x=x)
    ids, prediction = Predictor(tiny_run.folder).predict_file(tmp_path / "x.npz")
    assert ids == ["0", "1", "2", "3", "4"]
    np.testing.assert_array_equal(
        prediction.probabilities, Predictor(tiny_run.folder).predict(x).probabilities
    )


@pytest.fixture(scope="module")
def regular(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run on files with groups and given parts, read at every second minute."""
    path = tmp_path_factory.mktemp("regular")
    rows = some_rows(40, seed=0)
    rows["part"] = np.where(rows["name of it"] > "s30", "test", "train")
    rows["who"] = rows["name of it"]
    rows.to_csv(path / "a.csv", index=False)
    words = ["data.group=who", "data.split_column=part", "data.resample=2"]
    arguments = [*SETTINGS, *words, f"data.path={path / 'a.csv'}", f"hydra.run.dir={path / 'run'}"]
    assert run(["train", *arguments]) == 0
    return path


def test_a_new_file_needs_neither_groups_nor_parts_and_is_read_at_the_times_of_the_run(
    regular: Path, tmp_path: Path
) -> None:
    rows = some_rows(10, seed=1).drop(columns="kind").sort_values(["name of it", "minute"])
    rows.to_csv(tmp_path / "new.csv", index=False)
    assert predict(regular, tmp_path / "new.csv", tmp_path / "out.csv") == 0
    out = pd.read_csv(tmp_path / "out.csv")
    every_second = [
        part.iloc[::2, 2:].to_numpy(dtype=np.float32)
        for _, part in rows.groupby("name of it", sort=True)
    ]
    expected = Predictor(RunFolder(regular / "run")).predict(every_second)
    np.testing.assert_allclose(out[["p_falling", "p_rising"]], expected.probabilities, atol=1e-6)


@pytest.mark.parametrize("form", ["long", "wide"])
def test_a_file_that_is_read_by_pieces_needs_no_groups(form: str, tmp_path: Path) -> None:
    long = some_rows(40, seed=0).sort_values(["name of it", "minute"])
    rows = long.assign(who=long["name of it"])
    words = ["data.group=who"]
    if form == "wide":
        firsts = rows[rows["minute"] < 3].pivot(
            index=["name of it", "kind", "who"], columns="minute", values="temp [T#1], °C"
        )
        rows = firsts.rename(columns=lambda minute: f"x_{minute}").reset_index()
        words.append("data.time=null")
    rows.to_csv(tmp_path / "a.csv", index=False)
    place = [f"data.path={tmp_path / 'a.csv'}", f"hydra.run.dir={tmp_path / 'run'}"]
    assert run(["train", *SETTINGS, *words, *place, "trainer.max_epochs=1"]) == 0
    rows.drop(columns=["kind", "who"]).to_csv(tmp_path / "new.csv", index=False)

    assert predict(tmp_path, tmp_path / "new.csv", tmp_path / "out.csv") == 0
    assert len(pd.read_csv(tmp_path / "out.csv")) == 40


@pytest.mark.parametrize("name", ["new.csv", "wide.csv", "new.parquet"])
def test_a_run_on_arrays_refuses_a_table(
    name: str, tiny_run: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "x.npz", x=np.zeros((9, 3, 2), np.float32), y=np.arange(9) % 2)
    words = [
        "data=files",
        "recipe=own",
        f"data.path={tmp_path / 'x.npz'}",
        "model.hidden_size=4",
        "logger=none",
        "data.baselines=false",
    ]
    place = f"hydra.run.dir={tmp_path / 'run'}"
    sizes = ["data.split=random", "data.val_size=2", "data.test_size=2", "trainer.max_epochs=1"]
    assert run(["train", *words, *sizes, place]) == 0
    rows = some_rows(4, seed=1)
    if name.endswith(".parquet"):
        rows.to_parquet(tmp_path / name)
    else:
        rows.to_csv(tmp_path / name, index=False)
    capsys.readouterr()
    assert predict(tmp_path, tmp_path / name, tmp_path / "out.csv") == 3
    assert f"{name}: the run was trained on arrays or a .ts" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_named_as_it_was_typed(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(folder, tmp_path / "none.csv", tmp_path / "out.csv") == 3
    assert f"input={tmp_path / 'none.csv'}: there is no such file" in capsys.readouterr().err


def test_a_setting_that_belongs_to_the_run_is_not_offered_without_a_word(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = some_rows(4, seed=1)
    rows.iloc[0, 2] = np.nan
    rows.to_csv(tmp_path / "new.csv", index=False)
    assert predict(folder, tmp_path / "new.csv", tmp_path / "out.csv") == 3
    error = capsys.readouterr().err
    assert "the value is missing" in error
    assert "a run keeps the settings data.… that it was trained with" in error

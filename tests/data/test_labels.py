"""Labels that are no classes are recognised in every format; whole numbers are written as such."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from unrolled.cli import run
from unrolled.data.files.guessing import guess
from unrolled.data.files.labels import refuse_other_tasks
from unrolled.data.files.reader import fit_schema, read_recordings
from unrolled.data.files.schema import Schema
from unrolled.data.files.tabular import Table, plain_label
from unrolled.errors import DataError

CLASSES: dict[str, list[str]] = {
    "two numbers": ["0.5", "1.5", "0.5", "1.5"],
    "ratings": [f"{half / 2}" for half in range(10)] * 2,
    "a class of one": ["0", "1", "2"],
    "many subjects": [str(number) for number in range(50)] * 2,
    "words with commas": ["a, b", 'x"y', "a, b"],
    "pairs only": ["left|fast", "left|slow", "right|fast", "right|slow"],
    "a word in brackets": ["(none)", "walk"],
}
OTHERS: dict[str, tuple[list[str], str]] = {
    "continuous": ([f"{n / 7:.3f}" for n in range(8)], "8 different numbers.* Regression"),
    "continuous, repeated": ([f"{n / 8}" for n in range(25)] * 9, "25 different numbers"),
    "counts": ([str(n * n) for n in range(40)], "40 different numbers"),
    "brackets": (["[1, 0]", "[0, 1]"], r"'\[0, 1\]' is a list.* Several labels at once"),
    "separated": (["arm", "leg", "arm|leg", "arm"], r"'arm\|leg' is a list"),
}


@pytest.mark.parametrize("labels", CLASSES.values(), ids=CLASSES)
def test_classes_are_accepted(labels: list[str]) -> None:
    refuse_other_tasks(labels, "x.csv", num_labels=len(labels))


@pytest.mark.parametrize(("labels", "message"), OTHERS.values(), ids=OTHERS)
def test_regression_and_several_labels_are_named(labels: list[str], message: str) -> None:
    with pytest.raises(DataError, match=f"x.csv: the label .*{message}"):
        refuse_other_tasks(labels, "x.csv", num_labels=len(labels))


VALUES = np.arange(16.0).reshape(8, 2)
TABLE = pd.DataFrame({"x_0": VALUES[:, 0], "x_1": VALUES[:, 1]})


def write_regression(path: Path) -> None:
    """Write eight sequences of two steps with a number to predict."""
    targets = [f"{n / 7:.3f}" for n in range(8)]
    rows = zip(VALUES.tolist(), targets, strict=True)
    if path.suffix == ".npz":
        np.savez(path, x=VALUES, y=np.linspace(0, 1, 8))
    elif path.suffix == ".csv":
        TABLE.assign(label=targets).to_csv(path, index=False)
    elif path.suffix == ".parquet":
        TABLE.assign(label=np.linspace(0, 1, 8)).to_parquet(path)
    elif path.suffix == ".ts":
        lines = "\n".join(f"{a},{b}:{y}" for (a, b), y in rows)
        path.write_text(f"@problemName X\n@targetlabel true\n@data\n{lines}\n")
    else:
        lines = "\n".join(f"{a},{b},{y}" for (a, b), y in rows)
        steps = "".join(f"@attribute {name} numeric\n" for name in ("t0", "t1", "target"))
        path.write_text(f"@relation X\n{steps}@data\n{lines}\n")


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz", ".ts", ".arff"])
def test_inspect_says_that_regression_is_out_of_scope(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_regression(tmp_path / f"x{suffix}")
    code = run(["inspect", f"path=x{suffix}"])
    assert (code, "Regression is out of scope" in capsys.readouterr().err) == (3, True)


@pytest.mark.parametrize(
    ("axes", "message"), [("xyz", "which column is the label"), ("wy", "Regression")]
)
def test_a_column_called_y_may_be_an_axis(axes: str, message: str) -> None:
    frame = pd.DataFrame({axis: np.linspace(0, 1, 8) for axis in axes})
    with pytest.raises(DataError, match=message):
        guess(Table(Path("x.csv"), frame), known={"id": None, "time": None, "label": None})


@pytest.mark.parametrize("suffix", [".parquet", ".npz"])
def test_arrays_of_labels_are_named(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x{suffix}"
    lists = [[1, 0], [0, 1]] * 4
    if suffix == ".npz":
        np.savez(path, x=VALUES, y=np.array(lists))
    else:
        TABLE.assign(label=lists).to_parquet(path)
    with pytest.raises(DataError, match=r"(?i)several labels (at once|for a sequence)"):
        fit_schema(Schema(), path)


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        *(("1.0", "1"), ("1.0000000e+00", "1"), ("-2.", "-2"), ("1.5", "1.5"), ("007", "007")),
        *(("1.0.0", "1.0.0"), ("v1.0", "v1.0"), ("", "")),
    ],
)
def test_a_label_that_is_a_whole_number_has_no_decimals(cell: str, name: str) -> None:
    assert plain_label(cell) == name


def test_a_class_is_the_same_if_pandas_has_written_it_as_a_float(tmp_path: Path) -> None:
    train, test = tmp_path / "a.csv", tmp_path / "b.csv"
    train.write_text("x_0,x_1,label\n1,2,0\n3,4,1\n")
    test.write_text("x_0,x_1,label\n1,2,0.0\n3,4,1.0\n")
    schema, _ = fit_schema(Schema(), train)
    assert read_recordings(test, schema=schema, labelled=True).labels == ["0", "1"]

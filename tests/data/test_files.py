"""Your own files: data written by a reference writer is read back, in any order and form."""

import csv
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import unrolled.data.files.source
from conftest import compose
from unrolled.building.source import build_source
from unrolled.contracts import SourceData
from unrolled.data.files.source import Files
from unrolled.errors import ConfigError, DataError

few = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])

Sequence = tuple[str, str, np.ndarray]  # id, label, (t, d)

names = st.text(st.characters(categories=["L", "N"], include_characters=" ,;=~'\"[#]é"), min_size=1)
words = names.map(lambda name: unicodedata.normalize("NFC", name.strip())).filter(
    lambda word: word and word.lower() not in {"na", "n/a", "nan", "null", "none", "?"}
)
numbers = st.floats(-1e6, 1e6, width=32, allow_subnormal=False)


@st.composite
def data_sets(draw: Callable[..., Any]) -> tuple[list[str], list[Sequence]]:
    """Draw feature names and sequences of at least two classes, at least one with several steps."""
    features = draw(st.lists(words, min_size=1, max_size=3, unique=True))
    features = [
        f"{name}!" for name in features
    ]  # never the name id or label, and never the number of a step
    ids = draw(st.lists(words, min_size=3, max_size=8, unique=True))
    labels = draw(st.lists(words, min_size=2, max_size=3, unique=True))
    sequences = []
    for row, name in enumerate(ids):
        length = 2 if row == 0 else draw(st.integers(1, 6))
        shape = (length, len(features))
        values = draw(st.lists(numbers, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
        array = np.array(values, dtype=np.float32).reshape(shape)
        sequences.append((name, labels[row % len(labels)], array))
    return features, sequences


def long_rows(features: list[str], sequences: list[Sequence]) -> list[dict[str, Any]]:
    return [
        {
            "id": name,
            "step": step,
            **dict(zip(features, map(float, value), strict=True)),
            "y": label,
        }
        for name, label, values in sequences
        for step, value in enumerate(values)
    ]


def source(path: Path, **changes: Any) -> Files:
    config = compose("data=files", "recipe=own")
    for key, value in {"path": str(path), **changes}.items():
        config.data[key] = value
    files = build_source(config)
    assert isinstance(files, Files)
    return files


def load(path: Path, **changes: Any) -> SourceData:
    return source(path, **changes).load()


LONG = {"id": "id", "time": "step", "label": "y", "form": "long"}


def assert_holds(data: SourceData, sequences: list[Sequence]) -> None:
    """Assert that the data holds these sequences sorted by id, with their labels and values."""
    assert list(data.class_names) == sorted({label for _, label, _ in sequences}) or all(
        re.fullmatch(r"[\d.]+", name) for name in data.class_names
    )
    rows = zip(*(tensor for tensor in data.train.tensors()[:3]), strict=True)
    by_id = sorted(sequences, key=lambda sequence: sequence[0])
    for (x, length, y), (_, label, values) in zip(rows, by_id, strict=True):
        assert data.class_names[int(y)] == label
        np.testing.assert_array_equal(x[: int(length)].numpy(), values)


def assert_same(one: SourceData, other: SourceData) -> None:
    assert all(map(torch.equal, one.train.tensors(), other.train.tensors()))
    assert (one.class_names, one.schema) == (other.class_names, other.schema)


# what is written is read back


@few
@given(data=data_sets(), order=st.randoms())
def test_a_table_in_long_form_is_read_back_whatever_the_order_of_its_rows(
    data: tuple[list[str], list[Sequence]], order: Any, tmp_path: Path
) -> None:
    rows = long_rows(*data)
    order.shuffle(rows)
    path = tmp_path / "long.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    assert_holds(load(path, **LONG), data[1])


@few
@given(data=data_sets(), separator=st.sampled_from(",;\t|"))
def test_csv_and_parquet_give_the_same_data(
    data: tuple[list[str], list[Sequence]], separator: str, tmp_path: Path
) -> None:
    rows = long_rows(*data)
    with (tmp_path / "long.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=separator, quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(rows)
    pd.DataFrame(rows).to_parquet(tmp_path / "long.parquet")
    one = load(tmp_path / "long.csv", **LONG, separator=separator)
    assert_same(one, load(tmp_path / "long.parquet", **LONG, separator=separator))
    assert_holds(one, data[1])


@few
@given(data=data_sets())
def test_a_table_in_wide_form_is_read_back(
    data: tuple[list[str], list[Sequence]], tmp_path: Path
) -> None:
    features, sequences = data
    longest = max(len(values) for *_, values in sequences)
    rows = []
    for name, label, values in sequences:
        row: dict[str, Any] = {"id": name, "y": label}
        for step in range(longest):
            for number, feature in enumerate(features):
                there = step < len(values)
                row[f"{feature}_{step}"] = float(values[step, number]) if there else None
        rows.append(row)
    pd.DataFrame(rows).to_csv(tmp_path / "wide.csv", index=False)
    assert_holds(load(tmp_path / "wide.csv", id="id", label="y"), sequences)


@few
@given(data=data_sets(), flat=st.booleans())
def test_arrays_are_read_back_padded_or_concatenated(
    data: tuple[list[str], list[Sequence]], flat: bool, tmp_path: Path
) -> None:
    sequences = data[1]
    values = [value for *_, value in sequences]
    lengths = np.array([len(value) for value in values])
    x = np.full((len(values), lengths.max(), values[0].shape[1]), np.nan, dtype=np.float32)
    for row, value in enumerate(values):
        x[row, : len(value)] = value
    np.savez(
        tmp_path / "x.npz",
        x=np.concatenate(values) if flat else x,
        lengths=lengths,
        y=np.array([label for _, label, _ in sequences]),
        ids=np.array([name for name, *_ in sequences]),
    )
    assert_holds(load(tmp_path / "x.npz"), sequences)


# splits given by files, features chosen by name, words


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


GOOD = "id,step,a,b,y\n" + "".join(
    f"s{n},{t},{n + t},{n * t},{'ab'[n % 2]}\n" for n in range(6) for t in range(3)
)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write(tmp_path / "good.csv", GOOD)


def test_features_are_chosen_by_name_and_keep_the_order_of_the_setting(good: Path) -> None:
    both = load(good, **LONG, features=["b", "a"])
    one = load(good, **LONG, features=["b"])
    assert torch.equal(both.train.x[:, :, :1], one.train.x)
    assert both.schema is not None
    assert both.schema["feature_names"] == ("b", "a")


def test_val_and_test_files_are_read_with_the_schema_of_the_training_file(
    good: Path, tmp_path: Path
) -> None:
    swapped = pd.read_csv(good)[["y", "b", "id", "a", "step"]]
    swapped["id"] = "other " + swapped["id"]
    swapped.to_csv(tmp_path / "test.csv", index=False)
    data = load(good, **LONG, test_path=str(tmp_path / "test.csv"))
    assert data.test is not None
    assert torch.equal(data.test.x, data.train.x)
    assert not set(data.test.ids.tolist()) & set(data.train.ids.tolist())


def test_a_class_that_the_training_file_lacks_is_refused(good: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "test.csv", "id,step,a,b,y\nu,0,1,2,c\n")
    with pytest.raises(DataError, match=r"test\.csv: the class 'c' does not occur .* 'a', 'b'"):
        load(good, **LONG, test_path=str(other))


def test_a_categorical_column_becomes_a_feature_per_word(tmp_path: Path) -> None:
    path = write(tmp_path / "w.csv", "id,step,how,y\ns,0,up,a\ns,1,down,a\nu,0,up,b\nu,1,up,b\n")
    data = load(path, **LONG, categorical=["how"])
    assert data.schema is not None
    assert data.schema["feature_names"] == ("how=down", "how=up")
    assert data.train.x[0].tolist() == [[0, 1], [1, 0]]


def test_a_category_that_the_training_file_lacks_is_zero_in_every_feature(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "w.csv", "id,step,how,y\ns,0,up,a\ns,1,down,a\nu,0,up,b\n")
    other = write(tmp_path / "o.csv", "id,step,how,y\ns,0,up,a\ns,1,sideways,a\n")
    data = load(path, **LONG, categorical=["how"], test_path=str(other))
    assert data.test is not None
    assert data.test.x.tolist() == [[[0, 1], [0, 0]]]
    assert "o.csv, line 3, column 'how': the category 'sideways' does not occur" in caplog.text


def test_groups_and_start_times_belong_to_their_sequences(tmp_path: Path) -> None:
    rows = [
        (name, t, 0.5, "ab"[n % 2], f"g{n // 2}")
        for n, name in enumerate("zyxw")
        for t in (n + 1, n)
    ]
    text = "".join(",".join(map(str, row)) + "\n" for row in rows)
    path = write(tmp_path / "g.csv", "id,step,v,y,who\n" + text)
    data = load(path, **LONG, group="who")
    assert data.groups is not None
    assert data.spans is not None
    assert data.group_names == {0: "g1", 1: "g1", 2: "g0", 3: "g0"}
    assert data.groups.tolist() == [1, 1, 0, 0]  # w, x, y, z
    assert data.spans.tolist() == [[3, 4], [2, 3], [1, 2], [0, 1]]


def test_dates_order_the_steps(tmp_path: Path) -> None:
    rows = "s,2024-03-01T10:00:30,2,a\ns,2024-03-01T09:59:00,1,a\nu,2024-03-02,5,b\n"
    data = load(write(tmp_path / "d.csv", "id,step,v,y\n" + rows), **LONG)
    assert data.train.x[0, :, 0].tolist() == [1, 2]


def test_the_time_since_the_previous_step_can_be_a_feature(tmp_path: Path) -> None:
    rows = "s,2024-03-01T10:00:30,2,a\ns,2024-03-01T09:59:00,1,a\nu,2024-03-02,5,b\n"
    path = write(tmp_path / "d.csv", "id,step,v,y\n" + rows)
    data = load(path, **LONG, time_feature=True)
    assert data.train.x.tolist() == [[[1, 0], [2, 90]], [[5, 0], [0, 0]]]


def test_long_form_is_detected_from_repeated_ids(good: Path) -> None:
    assert_same(load(good, **LONG), load(good, **{**LONG, "form": None}))


# invalid tables, and the place and problem in the message

BAD = {
    "a word for a number": (GOOD.replace("s1,1,2,1", "s1,1,2,x"), r"line 6, column 'b': 'x' is not a number"),
    "an empty cell": (GOOD.replace("s1,1,2,1", "s1,1,,1"), r"line 6, column 'a': the value is missing"),
    "an infinite number": (GOOD.replace("s1,1,2,1", "s1,1,inf,1"), r"line 6, column 'a': inf is infinite or too large"),
    "a number too large": (GOOD.replace("s1,1,2,1", "s1,1,1e39,1"), r"line 6, column 'a': 1e\+39 is infinite or too large"),
    "a short row": (GOOD.replace("s1,1,2,1,b", "s1,1,2"), r"line 6: the row has 3 cells, .* 5 columns \(column 'b' is missing\)"),
    "a long row": (GOOD.replace("s1,1,2,1,b", "s1,1,2,1,b,9"), r"line 6: the row has 6 cells, .*the first extra cell is '9'"),
    "a file cut off": (GOOD[:-9], r"line 19: the row has \d cells, but the first line names 5 columns"),
    "no label": (GOOD.replace("s1,1,2,1,b", "s1,1,2,1,"), r"line 6, column 'y': the cell is empty"),
    "two labels": (GOOD.replace("s1,1,2,1,b", "s1,1,2,1,a"), r"line 6: sequence 's1' has the label 'a' here and 'b'"),
    "no id": (GOOD.replace("s1,1,2,1,b", ",1,2,1,b"), r"line 6, column 'id': the cell is empty"),
    "a time twice": (GOOD.replace("s1,1,2,1,b", "s1,0,2,1,b"), r"line 6: sequence 's1' already has a step at this time in line 5"),
    "not a time": (GOOD.replace("s1,1,2,1,b", "s1,soon,2,1,b"), r"line 6, column 'step': 'soon' is not a time"),
    "a quote left open": (GOOD.replace("s1,1,2,1,b", 's1,1,2,1,"b'), r"line 19: .*a quote may be unclosed"),
    "a zero byte": (GOOD.replace("s1,1,2,1", "s1,1,2,\0"), r"line 6: the row has a zero byte"),
    "an empty file": ("", r"is empty; the first line must name the columns"),
    "no rows": ("id,step,a,b,y\n", r"column names but no rows"),
    "a column twice": (GOOD.replace("id,step,a,b,y", "id,step,a,a,y"), r"line 1: two columns have the name 'a'"),
    "one class": (GOOD.replace(",b\n", ",a\n"), r"need at least two classes, found only 'a'"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_a_bad_table_is_refused_with_its_place(text: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "bad file.csv", text)
    with pytest.raises(DataError, match=f"bad file.csv.*{message}"):
        load(path, **LONG)


@pytest.mark.parametrize(
    ("decimal", "cell", "remedy"),
    [
        (",", "4.999.980,5", "write 4999980,5"),
        (",", "1 234,5", "write 1234,5"),
        (",", "1.234", "write 1234, or type data.decimal='.' if 1.234 has decimals"),
        (".", "4.999.980,5", "write 4999980.5"),
        (".", "1,234,567.25", "write 1234567.25"),
        (".", "-1,234", "write -1234, or type data.decimal=',' if -1,234 has decimals"),
        (".", "1'234.5", "write 1234.5"),
    ],
)
def test_a_number_with_thousands_is_quoted_as_it_is_written(
    decimal: str, cell: str, remedy: str, tmp_path: Path
) -> None:
    rows = GOOD.replace(",", ";").replace("s1;1;2;1", f"s1;1;2;{cell}")
    message = f"line 6, column 'b': {cell!r} is not a number (1 such cell); separators between"
    with pytest.raises(DataError) as caught:
        load(write(tmp_path / "d.csv", rows), **LONG, decimal=decimal)
    assert message in str(caught.value)
    assert str(caught.value).endswith(f"thousands are not read: {remedy}")


def test_line_numbers_are_those_of_a_text_editor(tmp_path: Path) -> None:
    """A cell of two lines and an empty line come before the wrong cell."""
    text = 'id,step,a,y\n"s\n1",0,1,a\n\nu,0,x,b\n'
    with pytest.raises(DataError, match=r"line 5, column 'a': 'x'"):
        load(write(tmp_path / "bad.csv", text), **LONG)


def test_text_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    content = GOOD.replace("s1,1,2,1,b", "s1,1,2,1,ü").encode("latin-1")
    path.write_bytes(content.replace(b"s0", "ß".encode()))
    with pytest.raises(DataError, match=r"bad\.csv, line 6: not UTF-8"):
        load(path, **LONG)


@pytest.mark.parametrize("key", ["id", "time", "label", "group"])
def test_a_missing_column_is_reported_with_the_existing_columns(key: str, good: Path) -> None:
    with pytest.raises(DataError, match=r"no column 'ste'; it has .*'step'.*did you mean 'step'"):
        load(good, **{**LONG, key: "ste"})


@pytest.mark.parametrize("name", ["x.npz", "x.parquet"])
@pytest.mark.parametrize("content", [b"", b"not what it says", b"PK\x03\x04 cut"])
def test_a_damaged_binary_file_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    columns = LONG if name == "x.parquet" else {}
    with pytest.raises(DataError, match=f"{name} cannot be read"):
        load(tmp_path / name, **columns)


BAD_ARRAYS: dict[str, tuple[dict[str, Any], str]] = {
    "no x": ({"y": np.arange(3)}, r"no array 'x'"),
    "no y": ({"x": np.zeros((3, 2, 1))}, r"no array 'y'"),
    "too few labels": ({"x": np.zeros((3, 2, 1)), "y": np.arange(2)}, r"y has the shape \(2,\)"),
    "fractions": ({"x": np.zeros((3, 2, 1)), "y": np.array([0.5, 1, 2])}, r"y has the type float64"),
    "pickled": ({"x": np.array([[1], "a", None], dtype=object)}, r"x is an array of objects"),
    "words": ({"x": np.array([["a"]])}, r"x has the type <U1, need numbers"),
    "too many dimensions": ({"x": np.zeros((3, 2, 1, 1))}, r"x has the shape \(3, 2, 1, 1\)"),
    "a length of 0": ({"x": np.zeros((2, 2)), "lengths": np.array([2, 0])}, r"row 1: the length is 0"),
    "a length beyond int64": (
        {"x": np.zeros((2, 2)), "lengths": np.array([2, 2**63 + 5], dtype=np.uint64)},
        r"row 1: the length is 9223372036854775813, need at least 1 and at most the steps of x",
    ),
    "labels of objects": (
        {"x": np.zeros((2, 2)), "y": np.array(["a", "b"], dtype=object)},
        r"y is an array of objects, which only pickle can read; save it with y=y.astype\(str\)",
    ),
    "a length too long": ({"x": np.zeros((2, 2, 1)), "lengths": np.array([2, 3])}, r"do not fit"),
    "lengths that do not add up": ({"x": np.zeros((5, 2)), "lengths": np.array([1, 2])}, r"as their sum \(3\)"),
    "an infinite number": ({"x": np.array([[0.0], [np.inf]]), "y": np.arange(2)}, r"row 1, step 0, feature 0: the number is infinite"),
    "a missing value": (
        {"x": np.array([[0.0, 1.0], [np.nan, 1.0]]), "y": np.arange(2)},
        r"sequence '1', step 0, feature '0': the value is missing; .*data\.missing=",
    ),
    "nothing but NaN": (
        {"x": np.array([[0.0], [np.nan]]), "y": np.arange(2)},
        r"row 1: the sequence has no values, only NaN",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("arrays", "message"), BAD_ARRAYS.values(), ids=BAD_ARRAYS)
@pytest.mark.acceptance("A30")
def test_bad_arrays_are_refused(arrays: dict[str, Any], message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(DataError, match=message):
        load(tmp_path / "bad.npz")


def test_labels_of_bytes_are_read_as_text(tmp_path: Path) -> None:
    x, y = np.zeros((4, 2)), np.array([b"walk", b"run"] * 2)
    np.savez(tmp_path / "x.npz", x=x, y=y)
    table = pd.DataFrame({"x_0": x[:, 0], "x_1": x[:, 1], "y": y.astype(object)})
    table.to_parquet(tmp_path / "x.parquet")
    assert load(tmp_path / "x.npz").class_names == ("run", "walk")
    assert load(tmp_path / "x.parquet", label="y").class_names == ("run", "walk")


def test_a_column_of_lists_is_refused_by_name(tmp_path: Path) -> None:
    table = pd.DataFrame({"x_0": [0.0, 1.0], "y": [["a"], ["a", "b"]]})
    table.to_parquet(tmp_path / "x.parquet")
    with pytest.raises(DataError, match="column 'y': a cell holds several values"):
        load(tmp_path / "x.parquet", label="y")


@few
@given(data=st.data())
def test_a_damaged_table_is_read_or_refused_and_nothing_else(
    data: st.DataObject, tmp_path: Path
) -> None:
    text = bytearray(GOOD.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(text) - 1))
        text[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    (tmp_path / "damaged.csv").write_bytes(text)
    try:
        x = load(tmp_path / "damaged.csv", **LONG).train.x
    except DataError:
        x = torch.zeros(0)
    assert torch.isfinite(x).all()


@pytest.mark.parametrize(
    ("key", "value"), [("resample", 2), ("time_feature", True), ("categorical", ["a"])]
)
def test_settings_for_long_form_are_refused_for_a_table_in_wide_form(
    key: str, value: Any, good: Path
) -> None:
    with pytest.raises(DataError, match=rf"data\.{key} needs long form"):
        load(good, time="step", label="y", form="wide", **{key: value})


def test_the_readers_depend_on_nothing_else_of_the_data_package() -> None:
    files = Path(unrolled.data.files.source.__file__).parent.glob("*.py")
    imports = r"^ *(?:from|import) (unrolled\.data\.\w+)"
    imported = re.findall(imports, "".join(file.read_text() for file in files), re.MULTILINE)
    assert set(imported) == {"unrolled.data.files"}


def test_a_path_is_required() -> None:
    with pytest.raises(ConfigError, match=r"data=files needs data\.path=FILE"):
        build_source(compose("data=files"))


@pytest.mark.parametrize("key", ["path", "val_path", "test_path"])
def test_a_missing_file_is_refused_by_prepare(key: str, tmp_path: Path) -> None:
    (tmp_path / "swings.csv").touch()
    paths = {"path": str(tmp_path / "swings.csv"), key: str(tmp_path / "swing.csv")}
    with pytest.raises(
        DataError, match=rf"^data\.{key}=.*swing\.csv: .*did you mean 'swings\.csv'"
    ):
        source(Path(paths.pop("path")), **paths).prepare()


def test_train_refuses_a_missing_file_before_it_imports_torch() -> None:
    code = (
        "import sys; from unrolled.cli import run; "
        "code = run(['train', 'data=files', 'data.path=nothing.csv']); "
        "print(code, {'torch', 'pandas'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "3 set()\n"
    assert "data.path=nothing.csv: there is no such file" in done.stderr

"""The .ts format and folders of CSV files: written data is read back, damaged files are refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unrolled.data.files.archive import read_archive
from unrolled.data.files.reader import fit_schema, read_recordings
from unrolled.data.files.recordings import Recordings
from unrolled.data.files.schema import Schema
from unrolled.errors import DataError

HEADER = "# about\n@problemName X\n@timeStamps false\n@classLabel true a b\n@data\n"
numbers = st.one_of(st.just(float("nan")), st.floats(-1e6, 1e6, width=32, allow_subnormal=False))


def read(path: Path, text: str) -> Recordings:
    path.write_text(text)
    return read_archive(path, "ts", labelled=True)


@st.composite
def arrays(draw: st.DrawFn) -> list[np.ndarray]:
    num_features = draw(st.integers(1, 3))
    lengths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))
    return [
        np.array(
            draw(st.lists(numbers, min_size=t * num_features, max_size=t * num_features)),
            dtype=np.float32,
        ).reshape(t, num_features)
        for t in lengths
    ]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=arrays())
def test_written_sequences_are_read_back(values: list[np.ndarray], tmp_path: Path) -> None:
    lines = [
        ":".join(",".join("?" if v != v else repr(float(v)) for v in column) for column in value.T)
        for value in values
    ]
    labels = ["ab"[row % 2] for row in range(len(values))]
    text = HEADER + "".join(f"{line}:{y}\n" for line, y in zip(lines, labels, strict=True))
    found = read(tmp_path / "x.ts", text)
    assert found.labels == labels
    for value, read_back in zip(values, found.values, strict=True):
        np.testing.assert_array_equal(read_back, value)


BAD = {
    "no data": ("@classLabel true a b\n", r"no @data line"),
    "no sequences": (HEADER, r"no sequence after @data"),
    "no labels": (HEADER.replace("true a b", "false") + "1,2\n", r"no class labels"),
    "time stamps": (HEADER.replace("timeStamps false", "timeStamps true"), r"has time stamps"),
    "a word": (HEADER + "1,2:a\n1,x:b\n", r"line 7, dimension 0: could not convert .*'x'"),
    "another class": (HEADER + "1,2:c\n", r"line 6: the class 'c' is not in @classLabel, .* a b"),
    "another width": (
        HEADER + "1:2:a\n1:b\n",
        r"line 7: .* 1 dimension, the first sequence has 2",
    ),
    "uneven dimensions": (
        HEADER + "1,2:3:a\n",
        r"line 6: .* different numbers of steps: 1, 2",
    ),
    "infinite": (HEADER + "1,inf:a\n", r"line 6, dimension 0: a value is infinite"),
    "data before @data": ("1,2:a\n@data\n", r"line 1: expected @data before"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_a_bad_file_is_refused_with_its_place(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"x.ts.*{message}"):
        read(tmp_path / "x.ts", text)


# folders


def make_folder(path: Path, *, labels: str = "file,label\none,a\ntwo.csv,b\n") -> Path:
    (path / "one.csv").write_text("t,v\n1,5\n0,4\n")
    (path / "two.csv").write_text("v,t\n6,0\n")
    (path / "labels.csv").write_text(labels)
    return path


def test_a_folder_has_a_sequence_per_file(tmp_path: Path) -> None:
    schema, found = fit_schema(Schema(time="t"), make_folder(tmp_path))
    assert (found.ids, found.labels) == (["one", "two"], ["a", "b"])
    assert [value[:, 0].tolist() for value in found.values] == [[4, 5], [6]]
    assert read_recordings(tmp_path, schema=schema, labelled=False).ids == ["one", "two"]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("one.csv", "t,v\n1,x\n", r"one\.csv, line 2, column 'v': 'x' is not a number"),
        ("two.csv", "t,w\n1,1\n", r"two\.csv has the columns 't', 'w', .*one\.csv has 't', 'v'"),
        ("labels.csv", "file,label\none,a\n", r"labels\.csv has no row for 'two\.csv'"),
        (
            "labels.csv",
            "file,label\none,a\none,b\ntwo,b\n",
            r"line 3: 'one' already has .* 'a'",
        ),
        (
            "labels.csv",
            "file,label\none,a\ntwo,b\nlost,a\n",
            r"labels\.csv, line 4: there is no file 'lost\.csv'",
        ),
        ("labels.csv", "file,kind\none,a\n", r"labels\.csv has no column 'label'"),
    ],
)
def test_a_bad_folder_is_refused_with_file_and_line(
    file: str, text: str, message: str, tmp_path: Path
) -> None:
    (make_folder(tmp_path) / file).write_text(text)
    with pytest.raises(DataError, match=message):
        fit_schema(Schema(time="t"), tmp_path)


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no CSV files"):
        fit_schema(Schema(), tmp_path)

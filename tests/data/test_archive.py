"""Files of the UCR/UEA archive: ARFF, tables without a header, and folders with both splits."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import arff

from unrolled.data.files.archive import read_archive
from unrolled.data.files.archive_folder import training_and_test_file
from unrolled.data.files.opening import format_of
from unrolled.data.files.reader import fit_schema, read_recordings
from unrolled.data.files.recordings import Recordings
from unrolled.data.files.schema import Schema
from unrolled.errors import DataError

HEADER = (
    "% about\n@Relation 'Two axes'\n\n@attribute axes relational\n@attribute t0 numeric\n"
    "@attribute t1 REAL\n@end axes\n@attribute kind {walk,'sit, down'}\n\n@DATA\n"
)
ROWS = "'1,2\\n3,4',walk\n% a comment\n\n'5,?\\n7,8','sit, down'\n\"9,?\\n9,?\",walk\n"
STEPS = "@relation x\n@attribute t0 numeric\n@attribute t1 numeric\n@attribute y {1,2}\n@data\n"


def read(path: Path, text: str, *, labelled: bool = True) -> Recordings:
    path.write_text(text)
    return read_archive(path, "arff", labelled=labelled)


def test_a_relation_holds_the_dimensions_of_a_sequence(tmp_path: Path) -> None:
    found = read(tmp_path / "x.arff", HEADER + ROWS)
    assert found.labels == ["walk", "sit, down", "walk"]
    for value, expected in zip(
        found.values, ([[1, 3], [2, 4]], [[5, 7], [np.nan, 8]], [[9, 9]]), strict=True
    ):
        np.testing.assert_array_equal(value, expected)


def test_scipy_reads_the_same_values(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = [f"{a:.7f},{b:.7f},{n % 2 + 1}\n" for n, (a, b) in enumerate(rng.normal(size=(6, 2)))]
    found = read(tmp_path / "x.arff", STEPS + "".join(lines))
    table, _ = arff.loadarff(tmp_path / "x.arff")
    np.testing.assert_array_equal(
        [value[:, 0] for value in found.values], np.stack([table["t0"], table["t1"]], axis=1)
    )
    assert found.labels == [word.decode() for word in table["y"]]


BAD = {
    "no data": ("@relation x\n@attribute y {a,b}\n", "no @data line"),
    "no sequences": (STEPS, "no sequence after @data"),
    "a word": (STEPS + "1,x,1\n", r"line 6, dimension 0: could not convert .*'x'"),
    "another class": (STEPS + "1,2,3\n", "line 6: the class '3' is not in the header"),
    "no class": (STEPS + "1,2,?\n", r"line 6: the class '\?' is not in the header"),
    "a cell too many": (STEPS + "1,2,3,1\n", "line 6: the line has 4 values, .* 3 attributes"),
    "an open quote": (STEPS + "'1,2,1\n", "line 6: a quote is unclosed"),
    "sparse": (STEPS + "{0 1, 2 1}\n", "line 6: sparse ARFF"),
    "infinite": (STEPS + "1,inf,1\n", "line 6, dimension 0: a value is infinite"),
    "no values": (STEPS + "?,?,1\n", "line 6: the sequence has no values"),
    "words": (
        STEPS.replace("t1 numeric", "t1 string"),
        "line 3: .*'t1' has .*'string'",
    ),
    "two classes": (STEPS.replace("t1 numeric", "t1 {a,b}"), "before the class must be numbers"),
    "regression": (STEPS.replace("{1,2}", "real"), "no class attribute.* Regression"),
    "other steps": (HEADER + "'1\\n2',walk\n", "line 11: the sequence has 1 step, .* 2 attributes"),
    "other dimensions": (
        HEADER + "'1,2\\n3,4',walk\n'1,2',walk\n",
        "line 12: the sequence has 1 dimension, the first sequence has 2",
    ),
    "uneven": (HEADER + "'1,2\\n3',walk\n", "line 11: .* different numbers of steps: 1, 2"),
    "not a header": ("1,2,1\n" + STEPS, "line 1: expected @data before"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_a_bad_arff_file_is_refused_with_its_place(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"x.arff.*{message}"):
        read(tmp_path / "x.arff", text)


def test_a_file_to_predict_needs_no_classes(tmp_path: Path) -> None:
    assert len(read(tmp_path / "x.arff", STEPS + "1,2,?\n", labelled=False)) == 1


@pytest.mark.parametrize(
    ("text", "kind"),
    [(HEADER + ROWS, "arff"), ("# a\n@univariate true\n@data\n1:a\n", "ts"), ("@id,x\n", "csv")],
)
def test_the_content_of_a_file_without_a_suffix_shows_its_format(
    text: str, kind: str, tmp_path: Path
) -> None:
    (tmp_path / "x").write_text(text)
    assert format_of(tmp_path / "x") == kind


# tables without a header

TABLES: dict[str, tuple[str, Callable[[int], list[float]]]] = {
    "tabs": ("x.tsv", lambda row: [row % 2, row + 0.5, row + 0.25, 0.125]),
    "a name of the archive": ("X_TRAIN.csv", lambda row: [row % 2, row, 2, 3]),
}
NOT_ARCHIVE: dict[str, tuple[str, Callable[[int], list[float]]]] = {
    "a column of whole numbers may be a label": ("x.csv", lambda row: [row % 2, 0.5, row, 1.5]),
    "ids of their own": ("x.csv", lambda row: [row, 0.5, 1.25, 1.5]),
    "fractions": ("x.csv", lambda row: [row % 2 + 0.5, 0.5, 1.25, 1.5]),
    "two columns": ("x.csv", lambda row: [row % 2, 0.5]),
}


def write(path: Path, row: Callable[[int], list[float]], form: str = "{:g}") -> Path:
    mark = "\t" if path.suffix == ".tsv" else "," if path.suffix == ".csv" else "  "
    lines = [mark.join(map(form.format, row(number))) for number in (5, 3, 8, 6)]
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize(("name", "row"), TABLES.values(), ids=TABLES)
def test_the_first_column_of_a_table_of_the_archive_is_the_class(
    name: str, row: Callable[[int], list[float]], tmp_path: Path
) -> None:
    schema, found = fit_schema(Schema(), write(tmp_path / name, row))
    assert (schema.class_names, found.labels) == (("0", "1"), ["1", "1", "0", "0"])
    assert found.values[0][:, 0].tolist() == row(5)[1:]


@pytest.mark.parametrize(("name", "row"), NOT_ARCHIVE.values(), ids=NOT_ARCHIVE)
def test_other_tables_without_a_header_need_the_label(
    name: str, row: Callable[[int], list[float]], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"which column is the label\? Type data\.label=COLUMN"):
        fit_schema(Schema(), write(tmp_path / name, row))


def test_classes_written_as_floats_are_whole_numbers(tmp_path: Path) -> None:
    path = write(tmp_path / "x.txt", TABLES["tabs"][1], form="{:.7e}")
    assert fit_schema(Schema(), path)[0].class_names == ("0", "1")


def test_a_label_after_the_steps_is_no_step(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", lambda row: [row, 2.5, row % 2])
    _, found = fit_schema(Schema(label="column 3"), path)
    assert found.values[0][:, 0].tolist() == [5, 2.5]


def test_steps_that_data_features_leaves_out_stay_out(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("x_0,x_1,x_2,label\n1,2,3,a\n4,5,6,b\n")
    _, found = fit_schema(Schema(features=("x_0", "x_1")), tmp_path / "x.csv")
    assert found.values[0][:, 0].tolist() == [1, 2]


# folders

FOLDERS = {
    "one format": (["A_TRAIN.ts", "A_TEST.ts", "A.txt"], ("A_TRAIN.ts", "A_TEST.ts")),
    "the test set decides": (
        ["A_TRAIN.ts", "A_TRAIN.tsv", "A_TEST.tsv"],
        ("A_TRAIN.tsv", "A_TEST.tsv"),
    ),
    "capitals and packing": (
        ["a_train.TSV.gz", "a_test.tsv.gz"],
        ("a_train.TSV.gz", "a_test.tsv.gz"),
    ),
    "no suffix": (["A_TRAIN", "A_TEST"], ("A_TRAIN", "A_TEST")),
    "no test set": (["A_TRAIN.ts", "._A_TEST.ts"], ("A_TRAIN.ts", None)),
    "the name of the folder": (
        ["A_eq_TRAIN.ts", "A_eq_TEST.ts", "A_TRAIN.ts", "A_TEST.ts"],
        ("A_TRAIN.ts", "A_TEST.ts"),
    ),
    "sequences": (["1.csv", "labels.csv"], ("", None)),
}


@pytest.mark.parametrize(("names", "expected"), FOLDERS.values(), ids=FOLDERS)
def test_a_folder_of_the_archive_has_a_training_and_a_test_file(
    names: list[str], expected: tuple[str, str | None], tmp_path: Path
) -> None:
    folder = tmp_path / "A"
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    train, test = training_and_test_file(folder)
    assert (train, test) == (folder / expected[0], expected[1] and folder / expected[1])


def test_a_new_file_is_no_folder_of_the_archive(tmp_path: Path) -> None:
    schema, _ = fit_schema(Schema(), write(tmp_path / "X_TRAIN.csv", TABLES["tabs"][1]))
    with pytest.raises(
        DataError, match=r"a training and a test set; name one file, such as .*TRAIN"
    ):
        read_recordings(tmp_path, schema=schema, labelled=False)


def test_a_folder_of_several_data_sets_is_refused(tmp_path: Path) -> None:
    for name in ("A_TRAIN.ts", "B_TRAIN.ts"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match="the training files of 'A', 'B'; name one file"):
        training_and_test_file(tmp_path)


def write_one_feature(path: Path) -> Path:
    """Write four sequences of four steps in the format of the name."""
    values = np.array([[0.5, 1.5, 2.5, 3.5], [4.5, 5.5, 6.5, 7.5]] * 2)
    lines = [",".join(map(str, row)) for row in values]
    match path.suffix:
        case ".ts":
            steps = (f"{line}:{row % 2}" for row, line in enumerate(lines))
            path.write_text("\n".join(["@classLabel true 0 1", "@data", *steps]))
        case ".npz":
            np.savez(path, x=values, y=[0, 1, 0, 1])
        case _:
            steps = (f"{row % 2},{line}".replace(",", "\t") for row, line in enumerate(lines))
            path.write_text("\n".join(steps))
    return path


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("a.tsv", "b.ts"),
        ("a.ts", "b.tsv"),
        ("a.npz", "b.ts"),
        ("a.tsv", "b.npz"),
        ("a.npz", "b.tsv"),
    ],
)
def test_the_sets_may_have_different_formats(train: str, test: str, tmp_path: Path) -> None:
    schema, first = fit_schema(Schema(), write_one_feature(tmp_path / train))
    path = write_one_feature(tmp_path / test)
    second = read_recordings(path, schema=schema, labelled=True)
    assert second.labels == first.labels == ["0", "1", "0", "1"]
    np.testing.assert_array_equal(second.steps, first.steps)


def test_sets_with_other_features_are_refused(tmp_path: Path) -> None:
    schema, _ = fit_schema(Schema(), write_one_feature(tmp_path / "a.tsv"))
    np.savez(tmp_path / "b.npz", x=np.zeros((4, 4, 2)), y=[0, 1, 0, 1])
    with pytest.raises(DataError, match=r"has the features '0', '1', but .* trained on 'column'"):
        read_recordings(tmp_path / "b.npz", schema=schema, labelled=True)


@pytest.mark.parametrize("name", ["a.ts", "a.npz"])
@pytest.mark.parametrize("key", ["id", "time", "label", "group", "split_column", "separator"])
def test_settings_of_columns_are_refused_for_files_without_columns(
    key: str, name: str, tmp_path: Path
) -> None:
    path = write_one_feature(tmp_path / name)
    with pytest.raises(DataError, match=rf"data\.{key}=k: .*{name} has no named columns"):
        fit_schema(Schema(**{key: "k"}), path)

"""Reading in pieces and reading the whole file give the same sequences, or both refuse."""

import re
from dataclasses import replace
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unrolled.data.files import csv_tables, npz_format, parquet_tables
from unrolled.data.files.reader import fit_schema, read_recordings
from unrolled.data.files.schema import Schema
from unrolled.data.files.streaming import OutOfOrderError, pieces_of, whole_pieces
from unrolled.errors import DataError

few = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
NOTHING: dict[str, Any] = {
    "form": "long",
    "id": None,
    "time": None,
    "label": "y",
    "missing": "mean",
}
LONG = {**NOTHING, "id": "id", "time": "step"}
WIDE = {**NOTHING, "form": "wide", "id": "id"}
UNNAMED = {**NOTHING, "form": "wide"}
LENGTHS = [3, 1, 5, 2, 4, 1]


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_tables, "BLOCK_BYTES", 200)
    monkeypatch.setattr(parquet_tables, "NUM_CELLS", 20)
    monkeypatch.setattr(npz_format, "NUM_VALUES", 4)


def sequences() -> list[tuple[str, str, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [
        (f"s {n}, [T#1]=~ü", "ab"[n % 2], rng.normal(size=(length, 2)).astype(np.float32))
        for n, length in enumerate(LENGTHS)
    ]


def long_table() -> pd.DataFrame:
    return pd.DataFrame(
        {"id": name, "step": step, "v w": row[0], "b": row[1], "y": label}
        for name, label, values in sequences()
        for step, row in enumerate(values)
    )


def wide_table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": name,
            **{
                f"{feature}_{step}": values[step, number] if step < len(values) else None
                for number, feature in enumerate("vw")
                for step in range(max(LENGTHS))
            },
            "y": label,
        }
        for name, label, values in sequences()
    )


def ts_text() -> str:
    lines = [
        ":".join([*(",".join(map(str, column.tolist())) for column in values.T), label])
        for _, label, values in sequences()
    ]
    return "@timeStamps false\n@dimensions 2\n@classLabel true a b\n@data\n" + "\n".join(lines)


def written(form: str, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Write the sequences in a form, and return the path and the settings for reading it."""
    path = folder / form
    match form:
        case "long.csv":
            long_table().to_csv(path, index=False)
        case "long.parquet":
            long_table().to_parquet(path)
        case "wide.csv":
            wide_table().to_csv(path, index=False)
        case "wide.parquet":
            wide_table().to_parquet(path)
        case "unnamed.csv":
            wide_table().drop(columns="id").to_csv(path, index=False)
            return path, UNNAMED
        case "x.ts":
            path.write_text(ts_text())
        case "padded.npz" | "flat.npz":
            values = [value for *_, value in sequences()]
            padded = np.full((len(values), max(LENGTHS), 2), np.nan, dtype=np.float64)
            for row, value in enumerate(values):
                padded[row, : len(value)] = value
            x = padded if form == "padded.npz" else np.concatenate(values)
            y, ids = ([s[n] for s in sequences()] for n in (1, 0))
            np.savez_compressed(path, x=x, lengths=LENGTHS, y=y, ids=ids)
        case "folder":
            path.mkdir(exist_ok=True)
            for name, _, values in sequences():
                pd.DataFrame({"a": values[:, 0], "b": values[:, 1]}).to_csv(
                    path / f"{name}.csv", index=False
                )
            labels = pd.DataFrame({"f": [s[0] for s in sequences()], "label": list("ababab")})
            labels.to_csv(path / "labels.csv", index=False)
    if form.endswith((".ts", ".npz")):  # no column has a name
        return path, {**NOTHING, "form": None, "label": None}
    return path, WIDE if form.startswith("wide") else LONG


FORMS = (
    *("long.csv", "long.parquet", "wide.csv", "wide.parquet", "unnamed.csv"),
    *("x.ts", "padded.npz", "flat.npz", "folder"),
)
each_form = pytest.mark.parametrize("form", FORMS)


def fitted(form: str, folder: Path) -> tuple[Path, Schema]:
    path, columns = written(form, folder)
    chosen: dict[str, Any] = dict(NOTHING if form == "folder" else columns)
    if form == "folder":
        chosen["label"] = None
    return path, fit_schema(Schema(**chosen), path)[0]


each = chain.from_iterable


def joined(schema: Schema, path: Path) -> list[tuple[str, np.ndarray]]:
    found: list[tuple[str, list[np.ndarray]]] = []
    for piece in each(pieces_of(schema, path, labelled=False)):
        if piece.begins:
            found.append((piece.id, []))
        assert found[-1][0] == piece.id
        found[-1][1].append(piece.values)
    return [(name, np.concatenate(values)) for name, values in found]


def whole(schema: Schema, path: Path) -> list[tuple[str, np.ndarray]]:
    recordings = read_recordings(path, schema=schema, labelled=False)
    return list(zip(recordings.ids, recordings.values, strict=True))


def assert_same(
    actual: list[tuple[str, np.ndarray]], expected: list[tuple[str, np.ndarray]]
) -> None:
    assert [name for name, _ in actual] == [name for name, _ in expected]
    for (_, one), (_, other) in zip(actual, expected, strict=True):
        assert one.dtype == np.float64
        np.testing.assert_array_equal(one, other)


@each_form
def test_pieces_equal_the_whole_file_and_the_written_sequences(form: str, tmp_path: Path) -> None:
    path, schema = fitted(form, tmp_path)
    found = joined(schema, path)
    assert_same(found, whole(schema, path))
    for (_, values), (*_, expected) in zip(found, sequences(), strict=True):
        np.testing.assert_array_equal(values.astype(np.float32), expected)


@each_form
def test_pieces_have_the_class_of_each_step(form: str, tmp_path: Path) -> None:
    path, schema = fitted(form, tmp_path)
    pieces = list(each(pieces_of(schema, path, labelled=True)))
    expected = read_recordings(path, schema=schema, labelled=True)
    whole = list(each(whole_pieces(expected, schema, path=path)))
    for some in (pieces, whole):
        found: dict[str, list[int]] = {}
        for piece in some:
            assert piece.classes is not None
            found.setdefault(piece.id, []).extend(piece.classes.tolist())
        lengths = [len(values) for _, _, values in sequences()]
        assert list(found.values()) == [[n % 2] * length for n, length in enumerate(lengths)]


def test_a_label_that_changes_within_a_sequence_is_refused_unless_it_may(tmp_path: Path) -> None:
    path, schema = fitted("long.csv", tmp_path)
    table = long_table()
    table.loc[2, "y"] = "b"  # the third step of the first sequence
    table.to_csv(path, index=False)
    with pytest.raises(DataError, match=r"line 4: sequence .* has the label 'b' here and 'a'"):
        list(pieces_of(schema, path, labelled=True))
    pieces = list(each(pieces_of(schema, path, labelled=True, labels_may_change=True)))
    first = [piece.classes for piece in pieces if piece.id == sequences()[0][0]]
    assert np.concatenate(first).tolist() == [0, 0, 1]  # type: ignore[arg-type]


@pytest.mark.parametrize("form", FORMS)
def test_an_unknown_class_is_named(form: str, tmp_path: Path) -> None:
    path, schema = fitted(form, tmp_path)
    schema = replace(schema, class_names=("a", "c"))
    with pytest.raises(DataError, match="the class 'b' does not occur in the training file"):
        list(pieces_of(schema, path, labelled=True))


@pytest.mark.parametrize("form", ["long.csv", "long.parquet", "folder", "flat.npz"])
def test_a_long_sequence_is_read_in_several_pieces(form: str, tmp_path: Path) -> None:
    path, schema = fitted(form, tmp_path)
    pieces = list(each(pieces_of(schema, path, labelled=False)))
    if form == "folder":
        pd.DataFrame({"a": range(100), "b": range(100)}).to_csv(path / "long one.csv", index=False)
        pieces = list(each(pieces_of(schema, path, labelled=False)))
    assert any(one.id == other.id for one, other in pairwise(pieces))


@pytest.mark.parametrize("order", ["scattered", "backwards", "an id comes back"])
def test_rows_out_of_order_need_the_reader_of_whole_files(order: str, tmp_path: Path) -> None:
    _, schema = fitted("long.csv", tmp_path)
    table = long_table()
    match order:
        case "scattered":
            table = table.sort_values("step")
        case "backwards":
            table = table[::-1]
        case _:
            table = pd.concat([table[:2], table[5:], table[2:3]])
    table.to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(OutOfOrderError):
        joined(schema, tmp_path / "new.csv")
    by_id = dict(whole(schema, tmp_path / "new.csv"))
    np.testing.assert_array_equal(by_id[sequences()[0][0]].astype(np.float32), sequences()[0][2])


def test_german_dates_are_read_in_the_same_way_by_both_readers(tmp_path: Path) -> None:
    rows = [
        f"{name};{day:02}.03.2024 08:08:{second:02},{day}5;{day},5;{'xy'[day % 2]}"
        for name, day in (("a", 1), ("b", 2), ("c", 13))
        for second in range(6)
    ]
    path = tmp_path / "messung.csv"
    path.write_text("\n".join(["id;t;v;y", *rows]))
    schema, _ = fit_schema(Schema(**{**LONG, "time": "t", "time_feature": True}), path)
    found = joined(schema, path)
    assert_same(found, whole(schema, path))
    assert [values[:, 1].tolist() for _, values in found] == [[0, 1, 1, 1, 1, 1]] * 3
    path.write_text(path.read_text().replace("13.03.2024", "03.13.2024"))
    for read in (whole, joined):
        with pytest.raises(DataError, match=r"line 14, column 't': '03\.13\.2024 08:08:00,135'"):
            read(schema, path)


def outcome(read: Any, schema: Schema, path: Path) -> list[tuple[str, np.ndarray]] | None:
    try:
        found: list[tuple[str, np.ndarray]] = read(schema, path)
    except DataError as error:
        message = str(error)
    else:
        return found
    assert path.name in message
    return None


@pytest.mark.parametrize("form", [form for form in FORMS if form != "folder"])
@few
@given(data=st.data())
def test_a_damaged_file_is_refused_or_read_in_the_same_way_by_both_readers(
    form: str, data: st.DataObject, tmp_path: Path
) -> None:
    path, schema = fitted(form, tmp_path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        match data.draw(st.sampled_from(["flip", "cut", "put"])):
            case "flip":
                content[place] ^= data.draw(st.integers(1, 255))
            case "cut":
                del content[max(place, 1) :]
            case _:
                content[place : place + 1] = data.draw(st.sampled_from([b"_", b'"', b",", b"\n"]))
    path.write_bytes(content)
    expected = outcome(whole, schema, path)
    try:
        found = outcome(joined, schema, path)
    except OutOfOrderError:
        return
    if not form.endswith("parquet"):  # pyarrow checks more when it reads in pieces
        assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        assert_same(found, expected)


def test_a_damaged_name_in_one_place_of_a_parquet_file_is_refused_or_has_no_effect(
    tmp_path: Path,
) -> None:
    path, schema = fitted("wide.parquet", tmp_path)
    content, expected = path.read_bytes(), whole(schema, path)
    places = [match.start() for match in re.finditer(b"w_0|DOUBLE|double", content)]
    assert len(places) > 1
    for place in places:
        path.write_bytes(content[:place] + b"q" + content[place + 1 :])
        for read in (whole, joined):
            found = outcome(read, schema, path)
            if found is not None:
                assert_same(found, expected)


@few
@given(data=st.data())
def test_a_folder_with_damaged_files_is_refused_or_read_in_the_same_way(
    data: st.DataObject, tmp_path: Path
) -> None:
    path, schema = fitted("folder", tmp_path)
    file = data.draw(st.sampled_from(sorted(path.glob("*.csv"))))
    content = file.read_bytes()
    file.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    outcome(whole, schema, path)
    outcome(joined, schema, path)

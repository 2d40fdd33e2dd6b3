"""Properties of every file format: written sequences are read back, whole or in pieces."""

import operator
from collections.abc import Callable
from dataclasses import fields
from itertools import chain
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import compose
from unrolled.building.data import load_data
from unrolled.data.files import bookkeeping, csv_tables, npz_format, parquet_tables, tables
from unrolled.data.files.reader import fit_schema, read_recordings
from unrolled.data.files.recordings import Recordings
from unrolled.data.files.schema import Schema
from unrolled.data.files.streaming import pieces_of

few = settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
numbers = st.floats(-1e6, 1e6, width=32, allow_subnormal=False)


class Written(NamedTuple):
    """Sequences of a test.

    values: (t, d) each.
    labels: two classes, each of them at least twice.
    """

    values: list[np.ndarray]
    labels: list[str]

    @property
    def ids(self) -> list[str]:
        return [f"s{row}" for row in range(len(self.values))]


@st.composite
def data_sets(draw: st.DrawFn, *, num_features: int | None = None) -> Written:
    """Draw at least four sequences. The first one is the longest.

    num_features: None for one or two.
    """
    width = draw(st.integers(1, 2)) if num_features is None else num_features
    lengths = [4, *draw(st.lists(st.integers(1, 4), min_size=3, max_size=6))]
    values = []
    for length in lengths:
        cells = draw(st.lists(numbers, min_size=length * width, max_size=length * width))
        values.append(np.array(cells, dtype=np.float64).reshape(length, width))
    return Written(values, ["10"[row % 2] for row in range(len(values))])


def long_table(written: Written) -> pd.DataFrame:
    return pd.DataFrame(
        {"id": name, "t": step, **{f"f{d}!": cell for d, cell in enumerate(row)}, "label": label}
        for name, value, label in zip(written.ids, written.values, written.labels, strict=True)
        for step, row in enumerate(value)
    )


def wide_table(written: Written) -> pd.DataFrame:
    rows = []
    for name, value, label in zip(written.ids, written.values, written.labels, strict=True):
        steps = {f"f{d}_{t}": cell for t, row in enumerate(value) for d, cell in enumerate(row)}
        rows.append({"id": name, **steps, "label": label})
    return pd.DataFrame(rows)


def padded(written: Written) -> np.ndarray:
    x = np.full((len(written.values), 4, written.values[0].shape[1]), np.nan)
    for row, value in enumerate(written.values):
        x[row, : len(value)] = value
    return x


def write_table(written: Written, path: Path) -> Schema:
    form, suffix = path.name.split(".")
    table = long_table(written) if form == "long" else wide_table(written)
    if suffix == "csv":
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path)
    return Schema(id="id", time="t" if form == "long" else None)


def write_arrays(written: Written, path: Path) -> Schema:
    lengths = np.array([*map(len, written.values)])
    if path.stem == "flat":
        np.savez(path, x=np.concatenate(written.values), y=written.labels, lengths=lengths)
    else:
        np.savez(path, x=padded(written), y=written.labels)
    return Schema()


def write_ts(written: Written, path: Path) -> Schema:
    lines = [
        ":".join([*(",".join(map(repr, column.tolist())) for column in value.T), label])
        for value, label in zip(written.values, written.labels, strict=True)
    ]
    path.write_text("\n".join(["@timestamps false", "@classLabel true 0 1", "@data", *lines]))
    return Schema()


def write_arff(written: Written, path: Path) -> Schema:
    cells = np.where(np.isnan(padded(written)), "?", padded(written).astype(str))  # (n, t, d)
    steps = [f"@attribute t{step} numeric" for step in range(4)]
    lines = [
        "'" + "\\n".join(",".join(column) for column in value.T) + f"',{label}"
        for value, label in zip(cells, written.labels, strict=True)
    ]
    relation = ["@attribute x relational", *steps, "@end x", "@attribute y {0,1}"]
    path.write_text("\n".join(["@relation x", *relation, "@data", *lines]))
    return Schema()


def write_folder(written: Written, path: Path) -> Schema:
    path.mkdir(exist_ok=True)
    for file in path.iterdir():
        file.unlink()
    for name, part in long_table(written).groupby("id"):
        part.drop(columns=["id", "label"]).to_csv(path / f"{name}.csv", index=False)
    labels = pd.DataFrame({"file": written.ids, "label": written.labels})
    labels.to_csv(path / "labels.csv", index=False)
    return Schema(time="t")


WRITERS: dict[str, Callable[[Written, Path], Schema]] = {
    **dict.fromkeys(("long.csv", "long.parquet", "wide.csv", "wide.parquet"), write_table),
    **dict.fromkeys(("padded.npz", "flat.npz"), write_arrays),
    "x.ts": write_ts,
    "x.arff": write_arff,
    "folder": write_folder,
}
each_format = pytest.mark.parametrize("name", WRITERS)


def assert_equal(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    assert [value.shape for value in found] == [value.shape for value in expected]
    np.testing.assert_allclose(np.concatenate(found), np.concatenate(expected), rtol=1e-15)


@each_format
@few
@given(written=data_sets())
def test_written_sequences_are_read_back(name: str, written: Written, tmp_path: Path) -> None:
    schema = WRITERS[name](written, tmp_path / name)
    _, found = fit_schema(schema, tmp_path / name)
    assert found.labels == written.labels
    assert_equal(list(found.values), written.values)


def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_tables, "BLOCK_BYTES", 60)
    monkeypatch.setattr(parquet_tables, "NUM_CELLS", 6)
    monkeypatch.setattr(npz_format, "NUM_VALUES", 3)


@pytest.mark.parametrize("name", [name for name in WRITERS if "long" in name or "wide" in name])
@pytest.mark.parametrize("shuffled", [False, True])
@few
@given(written=data_sets())
def test_a_table_in_parts_is_read_like_one_part(
    name: str, shuffled: bool, written: Written, tmp_path: Path
) -> None:
    path = tmp_path / name
    schema = write_table(written, path)
    if shuffled and path.suffix == ".csv":
        pd.read_csv(path).sample(frac=1, random_state=1).to_csv(path, index=False)
    one = fit_schema(schema, path)
    with pytest.MonkeyPatch.context() as patch:
        small_pieces(patch)
        patch.setattr(tables, "PART_CELLS", 1)
        patch.setattr(parquet_tables, "PART_CELLS", 6)
        patch.setattr(bookkeeping, "NUM_FIRST", 2)
        several = fit_schema(schema, path)
    assert several[0] == one[0]
    for field in fields(Recordings):
        found, expected = (getattr(each[1], field.name) for each in (several, one))
        same = np.array_equal if isinstance(expected, np.ndarray) else operator.eq
        assert same(found, expected), field.name


@each_format
@few
@given(written=data_sets())
def test_pieces_of_a_file_are_the_whole(
    name: str, written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_pieces(monkeypatch)
    schema, whole = fit_schema(WRITERS[name](written, tmp_path / name), tmp_path / name)
    found: list[np.ndarray] = []
    for piece in chain.from_iterable(pieces_of(schema, tmp_path / name, labelled=False)):
        steps = np.asarray(piece.values, dtype=np.float64)
        if piece.begins:
            found.append(steps)
        else:
            found[-1] = np.concatenate([found[-1], steps])
    assert_equal(found, list(whole.values))


@few
@given(written=data_sets(num_features=1), names=st.sampled_from(["x.tsv", "X_TRAIN.txt"]))
def test_a_table_of_the_archive_is_read_back(names: str, written: Written, tmp_path: Path) -> None:
    steps = np.floor(padded(written)[:, :, 0]) + 0.25  # a column of whole numbers may be a label
    mark = "\t" if names == "x.tsv" else "  "
    rows = zip(written.labels, steps.tolist(), strict=True)
    lines = [mark.join([label, *map(repr, row)]).replace("nan", "NaN") for label, row in rows]
    (tmp_path / names).write_text("\n".join(lines))
    _, found = fit_schema(Schema(), tmp_path / names)
    assert found.labels == written.labels
    assert_equal(list(found.values), [np.floor(value) + 0.25 for value in written.values])


@pytest.mark.parametrize("form", ["long", "wide"])
@few
@given(written=data_sets(), random=st.randoms(use_true_random=False))
def test_the_order_of_rows_and_columns_changes_nothing(
    form: str, written: Written, random: Random, tmp_path: Path
) -> None:
    table = long_table(written) if form == "long" else wide_table(written)
    shuffled = table.sample(frac=1, random_state=random.randint(0, 99))
    columns = list(table.columns)
    random.shuffle(columns)
    found = []
    for name, part in (("a.csv", table), ("b.csv", shuffled[columns])):
        part.to_csv(tmp_path / name, index=False)
        features = tuple(c for c in table.columns if c not in ("id", "t", "label"))
        schema = Schema(id="id", time="t" if form == "long" else None, features=features)
        found.append(fit_schema(schema, tmp_path / name)[1].sorted())
    assert (found[0].ids, found[0].labels) == (found[1].ids, found[1].labels)
    assert_equal(list(found[0].values), list(found[1].values))


@each_format
def test_a_fitted_schema_reads_the_same_file_again(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    written = Written([rng.normal(size=(t, 2)) for t in (4, 1, 3, 2)], list("0101"))
    schema, first = fit_schema(WRITERS[name](written, tmp_path / name), tmp_path / name)
    stored = Schema.from_plain(schema.as_plain())
    again = read_recordings(tmp_path / name, schema=stored, labelled=True)
    assert_equal(list(again.values), list(first.values))


@pytest.mark.parametrize("split", ["stratified", "random", "group"])
@few
@given(seed=st.integers(0, 10**6))
def test_splits_are_disjoint_and_complete_and_groups_stay_whole(
    split: str, seed: int, tmp_path: Path
) -> None:
    rng = np.random.default_rng(seed)
    owners = np.repeat(np.arange(15), rng.integers(1, 5, size=15))
    table = pd.DataFrame({"owner": owners, "label": rng.permutation(owners % 2)})
    for step in range(3):
        table[f"x_{step}"] = rng.normal(size=len(table))
    table.to_csv(tmp_path / "x.csv", index=False)
    config = compose("data=files", "data.val_size=0.2", "data.test_size=0.2")
    config.data.path, config.data.label = str(tmp_path / "x.csv"), "label"
    config.data.group, config.data.split = "owner", split
    data = load_data(config)
    assert data.parts.val is not None
    assert data.parts.test is not None
    ids = [part.ids.tolist() for part in (data.parts.train, data.parts.val, data.parts.test)]
    assert sorted(number for some in ids for number in some) == list(range(len(table)))
    groups = [{owners[number] for number in some} for some in ids]
    assert sum(map(len, groups)) == len(set().union(*groups))

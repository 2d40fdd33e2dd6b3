"""`data.id='machine run'` reads two columns as one id."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from unrolled.data.files import csv_tables
from unrolled.data.files.frames import read_frames
from unrolled.data.files.joined_columns import join_id
from unrolled.data.files.reader import fit_schema, read_recordings
from unrolled.data.files.schema import Schema
from unrolled.data.files.streaming import pieces_of
from unrolled.data.files.tabular import Table
from unrolled.errors import DataError

SCHEMA = Schema(id="machine run", time="t", label="y")
ROWS = [
    (machine, f"{run:02}", t, machine * run + 0.5 * t, "ab"[run % 2])
    for machine in (1, 2)
    for run in range(4)
    for t in range(3)
]
NAMES = ["machine", "run", "t", "v", "y"]
IDS = [f"{machine} {run:02}" for machine in (1, 2) for run in range(4)]


def written(path: Path) -> Path:
    frame = pd.DataFrame(ROWS, columns=NAMES)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
def test_two_id_columns_name_the_same_sequences_in_whole_and_piecewise_reading(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_tables, "BLOCK_BYTES", 64)  # a sequence goes on in the next table
    path = written(tmp_path / name)
    schema, recordings = fit_schema(SCHEMA, path)
    assert (list(recordings.ids), schema.features) == (IDS, ("v",))
    schema = Schema.from_plain(schema.as_plain())
    whole = read_recordings(path, schema=schema, labelled=False)
    begun, values = [], []
    for pieces in pieces_of(schema, path, labelled=False):
        for piece in pieces:
            begun += [piece.id] if piece.begins else []
            values.append(piece.values)
    assert begun == list(whole.ids) == IDS
    np.testing.assert_array_equal(np.concatenate(values), whole.steps)
    frames = read_frames(pd.DataFrame(ROWS, columns=NAMES).drop(columns="y"), schema)
    np.testing.assert_array_equal(np.concatenate(frames), whole.steps)


def test_a_part_of_the_id_can_be_the_group(tmp_path: Path) -> None:
    path = written(tmp_path / "x.csv")
    schema, recordings = fit_schema(replace(SCHEMA, group="machine"), path)
    assert list(recordings.groups or ()) == ["1"] * 4 + ["2"] * 4
    assert schema.features == ("v",)


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "x.csv")
    with pytest.raises(DataError, match="has no column 'rig run'; it has 'machine', 'run'"):
        fit_schema(replace(SCHEMA, id="rig run"), path)


def test_different_cells_have_different_ids() -> None:
    cells = {"a": ["x y", "x", "x  y", "x"], "b": ["z", "y z", "z", "y  z"]}
    table = Table(Path("x.csv"), pd.DataFrame(cells))
    join_id(table, "a b", kept=set())
    assert table.frame["a b"].nunique() == 4
    assert table.columns == ["a b"]

"""DataFrames are read as files are: columns are found by name."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from unrolled.data.files.frames import read_frames
from unrolled.data.files.schema import Schema
from unrolled.errors import DataError

LONG = Schema(
    form="long",
    id="id",
    time="t",
    label="y",
    features=("v", "word"),
    categorical=("word",),
    categories={"word": ["no", "yes"]},
    class_names=("a", "b"),
    feature_names=("v", "word=no", "word=yes"),
)
WIDE = Schema(
    form="wide",
    label="y",
    features=("x_0", "x_1"),
    class_names=("a", "b"),
    feature_names=("x",),
)
UNNAMED = Schema(class_names=("a", "b"), feature_names=("0", "1"))
ROWS = pd.DataFrame({"id": [7, 7], "t": [1, 2], "v": [0.5, 1.5], "word": ["yes", "no"], "z": 0})
VALUES = [[0.5, 0, 1], [1.5, 1, 0]]


class Polars:
    """A table of another library, which can be converted."""

    columns = ("v", "word")

    def to_pandas(self) -> pd.DataFrame:
        return ROWS


@pytest.mark.parametrize(
    "x",
    [
        ROWS,
        [ROWS],
        ROWS[["z", "word", "v", "t", "id"]],
        ROWS[::-1],
        [ROWS[["word", "v"]]],
        ROWS.set_index("id"),
        ROWS.set_index("id", drop=False),
        [Polars()],
    ],
    ids=["one", "list", "columns", "rows", "no time", "index", "index and column", "polars"],
)
def test_the_order_of_columns_and_further_columns_have_no_effect(x: Any) -> None:
    before = ROWS.copy()
    assert [values.tolist() for values in read_frames(x, LONG)] == [VALUES]
    pd.testing.assert_frame_equal(ROWS, before)


def test_a_frame_in_wide_form_can_have_further_steps() -> None:
    frame = pd.DataFrame({"x_2": [3.0, np.nan], "x_1": [2.0, 5.0], "x_0": [1.0, 4.0]})
    found = [values.ravel().tolist() for values in read_frames(frame, WIDE)]
    assert found == [[1, 2, 3], [4, 5]]


@pytest.mark.parametrize(
    ("schema", "frame"),
    [(WIDE, pd.DataFrame({"z": [9], "x": [1]})), (UNNAMED, pd.DataFrame({1: [2], 0: [1]}))],
    ids=["wide", "unnamed"],
)
def test_a_list_of_frames_has_the_features_as_columns(schema: Schema, frame: pd.DataFrame) -> None:
    assert read_frames([frame], schema)[0].tolist() == [[1, 2][: len(schema.feature_names)]]


@pytest.mark.parametrize(
    ("x", "schema", "message"),
    [
        (ROWS.rename(columns={"v": "V"}), LONG, "no column 'v'; it has 'id', 't', 'V', 'word'"),
        ([ROWS, ROWS.drop(columns="word")], LONG, "sequence 1 has no column 'word'; it has 'id'"),
        (ROWS.drop(columns="id"), LONG, r"no column 'id', .* pass a list: predict\(\[frame\]\)"),
        (ROWS, UNNAMED, "pass a list with a DataFrame for each sequence, or arrays"),
        ([ROWS], UNNAMED, "sequence 0 has no column '0'"),
        ([ROWS, np.zeros((2, 3))], LONG, "sequence 1 is not a DataFrame, but others are"),
        ([ROWS[:0]], LONG, "sequence 0 has no rows"),
        ([ROWS.assign(v="x")], LONG, "sequence 0, row 1, column 'v': 'x' is not a number"),
        (ROWS.rename(columns={"z": "v"}), LONG, "two columns have the name 'v'"),
    ],
)
def test_what_is_missing_is_named(x: Any, schema: Schema, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_frames(x, schema)

"""Small differences at large values survive reading, training and prediction."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import unrolled
from unrolled.building.data import build_data
from unrolled.config.composition import compose_config
from unrolled.data.files.reader import fit_schema
from unrolled.data.files.schema import Schema
from unrolled.data.module import SequenceDataModule

FOLDER = Path(__file__).parent / "cases"
COLUMNS = {
    "float32_offset_csv": ["data.id=id", "data.time=t", "data.label=kind"],
    "float32_offset_npz": [],
}
SPLIT = ["data.test_size=0.25", "data.val_size=0", "data.baselines=false"]


def overrides(case: str, file: str) -> list[str]:
    return ["data=files", f"data.path={FOLDER / case / file}", *COLUMNS[case], *SPLIT]


def prepared(case: str, file: str, *others: str) -> SequenceDataModule:
    data = build_data(compose_config([*overrides(case, file), *others]))
    data.setup()
    return data


@pytest.mark.parametrize("case", COLUMNS)
def test_an_offset_changes_no_prepared_number(case: str) -> None:
    suffix = case.rpartition("_")[2]
    with_offset, without = prepared(case, f"utm.{suffix}"), prepared(case, f"centred.{suffix}")
    torch.testing.assert_close(with_offset.parts.train.x, without.parts.train.x)
    assert with_offset.parts.train.x.dtype == torch.float32


def test_values_are_read_in_double_precision() -> None:
    schema = Schema(form="long", id="id", time="t", label="kind")
    folder = FOLDER / "float32_offset_partial"
    with_offset, without = (
        fit_schema(schema, folder / name)[1].steps for name in ("utm.csv", "centred.csv")
    )
    np.testing.assert_allclose(with_offset - 16_000_000, without, atol=1e-8)


def test_a_run_learns_small_differences_and_predicts_with_them(train_in: Any) -> None:
    case = "float32_offset_csv"
    run = train_in(*overrides(case, "utm.csv"), "trainer.max_epochs=3")
    assert run.record["scores"]["test/accuracy"] == 1.0

    model = unrolled.load(run.folder.path)
    path = FOLDER / case / "utm.csv"
    ids, from_file = model.predict_file(path)
    groups = dict(iter(pd.read_csv(path).groupby("id")["northing"]))
    from_arrays = model.predict([groups[name].to_numpy()[:, None] for name in ids])

    assert np.array_equal(from_file.probabilities, from_arrays.probabilities)
    truth = pd.read_csv(path).groupby("id")["kind"].first()
    assert from_file.labels == [truth[name] for name in ids]


@pytest.mark.parametrize("mode", ["none", "global", "feature"])
def test_a_warning_names_a_feature_whose_differences_float32_would_lose(
    mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    channels = [f"data.{n}=false" for n in ("per_sequence", "differences", "level_and_scale")]
    prepared("float32_offset_csv", "utm.csv", *channels, f"data.standardize={mode}")
    warns = "data.standardize=none: feature 'northing' has a standard deviation of 0.14"
    assert (warns in caplog.text) == (mode == "none")  # one feature alone: global is feature

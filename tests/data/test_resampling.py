"""Resampling: numbers as numpy.interp returns them, categories held, nothing extrapolated."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import compose
from unrolled.building.source import build_source
from unrolled.contracts import SourceData
from unrolled.data.files.reader import read_recordings
from unrolled.data.files.resampling import parse_interval, resample
from unrolled.data.files.schema import Schema
from unrolled.errors import ConfigError, DataError

few = settings(max_examples=50)
steps = st.lists(st.integers(1, 40), min_size=0, max_size=8)


@few
@given(
    gaps=steps,
    interval=st.sampled_from([0.3, 1.0, 2.5, 7.0]),
    seed=st.integers(0, 99),
)
def test_numbers_are_interpolated_and_categories_keep_their_last_value(
    gaps: list[int], interval: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    times = np.cumsum([rng.integers(9), *gaps]) / 10
    values = rng.normal(size=(len(times), 3))
    held = np.array([False, True, False])
    new, wanted, sources = resample(values, times, interval=interval, held=held)
    assert wanted[0] == times[0]
    assert times[-1] - interval < wanted[-1] <= times[-1]
    np.testing.assert_allclose(np.diff(wanted), interval, rtol=1e-6, atol=1e-9)
    for feature in (0, 2):
        expected = np.interp(wanted, times, values[:, feature])
        np.testing.assert_array_equal(new[:, feature], expected)
    for at, moment in enumerate(wanted):
        last = max(step for step, time in enumerate(times) if time <= moment)
        assert new[at, 1] == values[last, 1]
        assert sources[at] == last


def test_a_value_next_to_a_missing_value_is_missing() -> None:
    values = np.array([[0.0], [np.nan], [4.0]])
    times = np.array([0.0, 2.0, 4.0])
    new, *_ = resample(values, times, interval=1.0, held=np.array([False]))
    np.testing.assert_array_equal(new[:, 0], [0, np.nan, np.nan, np.nan, 4])


@pytest.mark.parametrize(
    ("interval", "seconds"), [(3, 3), (0.5, 0.5), ("10s", 10), ("5min", 300), ("250ms", 0.25)]
)
def test_intervals_may_have_a_unit(interval: Any, seconds: float) -> None:
    assert parse_interval(interval) == seconds


@pytest.mark.parametrize("interval", ["soon", "5 parsecs", "0s", 0])
def test_an_invalid_interval_is_refused(interval: Any) -> None:
    with pytest.raises(ConfigError, match=rf"data\.resample={interval}"):
        parse_interval(interval)


def load(path: Path, **changes: Any) -> SourceData:
    config = compose("data=files", "recipe=own")
    for key, value in {"path": str(path), "id": "id", "time": "t", "label": "y", **changes}.items():
        config.data[key] = value
    data: SourceData = build_source(config).load()
    return data


def write(path: Path, times: list[str]) -> Path:
    pd.DataFrame(
        {
            "id": ["s", "s", "s", "u", "u"],
            "t": times,
            "v": [0.0, 3.0, 9.0, 5.0, 7.0],
            "how": ["up", "down", "up", "up", "up"],
            "y": ["a", "a", "a", "b", "b"],
        }
    ).to_csv(path, index=False)
    return path


def test_training_files_and_new_files_are_resampled(tmp_path: Path) -> None:
    path = write(tmp_path / "d.csv", ["0", "3", "5", "1", "2"])
    data = load(path, resample=2, categorical=["how"], time_feature=True)
    assert data.train.x[0].tolist() == [[0, 0, 1, 0], [2, 0, 1, 2], [6, 1, 0, 2]]
    assert data.train.lengths.tolist() == [3, 1]
    assert data.schema is not None
    again = read_recordings(path, schema=Schema.from_plain(data.schema), labelled=False)
    assert torch.equal(torch.from_numpy(again.values[0]).float(), data.train.x[0])


def test_dates_are_resampled_in_seconds_or_units(tmp_path: Path) -> None:
    minutes = ["00:00", "00:03", "00:05", "00:01", "00:02"]
    path = write(tmp_path / "d.csv", [f"2026-01-01T{minute}:00" for minute in minutes])
    one, other = (load(path, resample=some, features=["v"]).train for some in ("1min", 60))
    assert torch.equal(one.x, other.x)
    assert one.x[0, :, 0].tolist() == [0, 1, 2, 3, 6, 9]
    assert one.lengths.tolist() == [6, 2]


def test_an_interval_with_a_unit_is_refused_for_times_that_are_numbers(tmp_path: Path) -> None:
    path = write(tmp_path / "d.csv", ["0", "3", "5", "1", "2"])
    with pytest.raises(DataError, match=r"data\.resample=10s needs dates"):
        load(path, resample="10s", features=["v"])


def test_resampling_requires_a_time_column(tmp_path: Path) -> None:
    path = write(tmp_path / "d.csv", ["0", "3", "5", "1", "2"])
    with pytest.raises(ConfigError, match=r"data\.resample=2 needs a time column"):
        load(path, resample=2, time=None)


@pytest.mark.parametrize("name", ["w.csv", "x.npz"])
def test_resampling_is_refused_for_wide_tables_and_arrays(name: str, tmp_path: Path) -> None:
    wide = {"id": ["s", "u"], "t": [0, 0], "x_0": [1, 2], "x_1": [1, 2], "y": ["a", "b"]}
    pd.DataFrame(wide).to_csv(tmp_path / "w.csv", index=False)
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 3)), y=np.arange(2))
    with pytest.raises(DataError, match=r"data\.resample"):
        load(tmp_path / name, resample=2)

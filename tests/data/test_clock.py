"""Times of steps: numbers, dates of any century, and a date next to a time of day."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from unrolled.data.files.bookkeeping import bookkeeping
from unrolled.data.files.clock import Clock
from unrolled.data.files.guessing import guess
from unrolled.data.files.joined_time import join_time
from unrolled.data.files.reader import fit_schema, read_recordings
from unrolled.data.files.schema import Schema
from unrolled.data.files.tabular import Table
from unrolled.errors import DataError

YEAR = 365 * 86_400.0
TIMES: dict[str, tuple[list[Any], list[float]]] = {
    "nanoseconds": ([1_704_067_200_000_000_001, 1_704_067_200_000_000_101], [0, 100]),
    "ISO, nanoseconds": (
        ["2024-01-01T00:00:00.000000001", "2024-01-01T00:00:00.000000003"],
        [0, 2e-9],
    ),
    "before 1677": (["1501-03-01", "1502-03-01"], [0, YEAR]),
    "before 1000": (["0901-03-01", "0902-03-01"], [0, YEAR]),
    "years far apart": (["1601-01-01", "2401-01-01"], [0, 292_194 * 86_400.0]),
    "days, compact": ([20240131, 20240201], [0, 1]),
    "days, compact, before 1677": ([16000228, 16000301], [0, 2]),
    "minutes, compact": ([202401312359, 202402010000], [0, 60]),
    "seconds, compact": ([20240131235959, 20240201000001], [0, 2]),
    "two offsets": (["2024-10-27T02:00:00+02:00", "2024-10-27T02:00:00+01:00"], [0, 3600]),
    "decimal comma": (["2024-06-01 08:12:00,250", "2024-06-01T08:12:01"], [0, 0.75]),
    "day.month.year": (["31.01.2024 23:59:59,5", "1.2.2024", "01.02.2024 0:01"], [0, 0.5, 60.5]),
    "durations": (pd.to_timedelta([1, 3], unit="ms").tolist(), [0.001, 0.003]),
    "years": ([1600, 1700], [1600, 1700]),
}


def table(**columns: list[Any]) -> Table:
    return Table(Path("x.csv"), pd.DataFrame(columns))


@pytest.mark.parametrize(("cells", "expected"), TIMES.values(), ids=TIMES)
def test_times_are_exact(cells: list[Any], expected: list[float]) -> None:
    found = Clock("t").read(table(t=cells))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


JOINED: dict[str, tuple[str, dict[str, list[Any]]]] = {
    "date time": ("date time", {"date": ["2024-01-31", "2024-02-01"], "time": ["23:59", "00:00"]}),
    "names with blanks": (
        "my day at",
        {"my day": [20240131, 20240201], "at": ["23:59:00", "00:00:00"]},
    ),
    "day.month.year": (
        "date time",
        {"date": ["31.01.2024", "1.2.2024"], "time": ["23:59:00,5", "00:00:00,5"]},
    ),
    "an hour": ("date hour", {"date": ["2024-01-31", "2024-02-01"], "hour": [23, 0]}),
}


@pytest.mark.parametrize(("name", "columns"), JOINED.values(), ids=JOINED)
def test_a_date_and_a_time_of_day_are_joined(name: str, columns: dict[str, list[Any]]) -> None:
    joined = table(**columns)
    join_time(joined, name)
    assert Clock(name).read(joined).tolist() in ([0, 60], [0, 3600])


@pytest.mark.parametrize(("hours", "time"), [([23, 0], "date hour"), ([30, 31], "date")])
def test_an_hour_next_to_a_date_is_part_of_the_time(hours: list[int], time: str) -> None:
    days = table(
        id=[1, 1, 2, 2],
        date=["2024-01-31", "2024-02-01"] * 2,
        hour=hours * 2,
        v=[1.5, 2.5, 3.5, 4.5],
        label=["a", "a", "b", "b"],
    )
    assert guess(days, known={"id": "id", "time": None, "label": None}).time == time


def test_a_time_of_day_alone_is_refused_with_a_remedy() -> None:
    with pytest.raises(DataError, match=r"'23:59' is not a time.*data.time='DATE TIME' joins"):
        Clock("t").read(table(t=["23:59", "00:00"]))


@pytest.mark.parametrize("cell", ["01/03/2024", "03.25.2024 08:08", "1.3.24", "30.02.2024"])
def test_a_date_that_is_ambiguous_or_does_not_exist_is_refused_as_written(cell: str) -> None:
    with pytest.raises(DataError, match=rf"'{cell}' is not a time.* 24\.11\.2026 13:05:00"):
        Clock("t").read(table(t=["01.03.2024", cell]))


def test_the_wrong_time_among_numbers_with_a_decimal_comma_is_quoted(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("id;t;v;label\na;0,5;1,5;x\na;soon;2,5;x\nb;0;1,5;y\n")
    with pytest.raises(DataError, match="line 3, column 't': 'soon' is not a time"):
        fit_schema(Schema(id="id", time="t", label="label"), path)


def night_shifts(path: Path) -> Path:
    """Write two sequences across midnight, the second with its rows in another order."""
    rows = [("2024-01-31", "23:30", 1.5), ("2024-02-01", "00:30", 2.5)]
    lines = [
        f"{name},{date},{time},{value},{label}"
        for name, label, some in (("a", "up", rows), ("b", "down", rows[::-1]))
        for date, time, value in some
    ]
    path.write_text("\n".join(["id,date,time,v,label", *lines]))
    return path


def test_a_date_next_to_a_time_is_guessed(tmp_path: Path) -> None:
    path = night_shifts(tmp_path / "x.csv")
    frame = pd.read_csv(path)
    found = guess(Table(path, frame), known={"id": None, "time": None, "label": None})
    assert (found.time, found.features) == ("date time", ("v",))


@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
def test_steps_across_midnight_are_in_order(name: str, tmp_path: Path) -> None:
    path = night_shifts(tmp_path / "x.csv")
    if name == "x.parquet":
        pd.read_csv(path).to_parquet(tmp_path / name)
    schema, _ = fit_schema(Schema(id="id", time="date time"), tmp_path / name)
    found = read_recordings(tmp_path / name, schema=schema, labelled=False)
    assert [value[:, 0].tolist() for value in found.values] == [[1.5, 2.5], [1.5, 2.5]]


@pytest.mark.parametrize("days", [["2024-01-31", "2024-02-01"], ["31.01.2024", "1.2.2024"]])
def test_a_column_of_dates_is_no_feature(days: list[str]) -> None:
    dates = table(date=days, t=[0, 1], v=[0.5, 0.25])
    out, _ = bookkeeping(dates, ["date", "v"], identity=None, label=None)
    assert out == {"date": "holds dates"}


def test_the_joined_columns_are_no_features(tmp_path: Path) -> None:
    path = night_shifts(tmp_path / "x.csv")
    schema, _ = fit_schema(Schema(id="id", time="date time"), path)
    assert schema.features == ("v",)

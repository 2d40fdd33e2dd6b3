"""Ids, times and forms that are guessed from the cells of a table of steps."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from unrolled.data.files.bookkeeping import bookkeeping
from unrolled.data.files.guessing import Guess, guess
from unrolled.data.files.reader import fit_schema
from unrolled.data.files.schema import Schema
from unrolled.data.files.tabular import Table, remedy_for
from unrolled.errors import DataError


def steps(*, restart: bool, **changes: Any) -> pd.DataFrame:
    """Return 12 runs of 4 steps on three machines, which take turns.

    restart: whether the numbers of the runs begin again for each machine.
    changes: columns to add or replace, or to remove (None).
    """
    rows = []
    for number in range(12):
        for step in range(4):
            moment = pd.Timestamp("2024-03-01") + pd.Timedelta(minutes=number, seconds=step)
            run = number // 3 if restart else 100 + number
            row = [
                str(moment),
                f"M{number % 3}",
                run,
                0.5 * step,
                7.25 - step,
                "ab"[number // 3 % 2],
            ]
            rows.append(row)
    names = ["Zeit punkt", "machine", "run", "pressure", "torque", "state"]
    frame = pd.DataFrame(rows, columns=names)
    frame.loc[frame["machine"] == "M1", "state"] = "b"
    for name, cells in changes.items():
        frame[name] = cells
    return frame


def guessed(frame: pd.DataFrame, *, form: str | None = None, **known: str) -> Guess:
    columns: dict[str, str | None] = {"id": None, "time": None, "label": None, **known}
    return guess(Table(Path("d.csv"), frame), known=columns, form=form)


def test_a_row_per_step_without_a_typical_id_is_named_by_two_columns() -> None:
    found = guessed(steps(restart=True))
    assert (found.form, found.id, found.time) == ("long", "machine run", "Zeit punkt")
    assert found.features == ("pressure", "torque")


@pytest.mark.parametrize("name", ["when", "timestamp"])
def test_a_table_with_times_and_no_id_is_no_wide_form(name: str) -> None:
    frame = steps(restart=True).rename(columns={"Zeit punkt": name}).drop(columns="machine")
    with pytest.raises(DataError, match=rf"column '{name}' holds times.*id=COLUMN.*form=wide"):
        guessed(frame)
    found = guessed(frame, form="wide")
    assert (found.form, found.id) == ("wide", None)


def test_a_column_of_row_numbers_does_not_hide_the_id() -> None:
    frame = steps(restart=False).assign(id=range(900, 948))
    assert guessed(frame).id == "run"


def test_times_in_a_table_with_numbered_steps_give_a_warning() -> None:
    frame = pd.DataFrame(
        {
            "when": ["2024-03-01 08:00", "2024-03-01 09:00", "2024-03-02 08:00"],
            **{f"x_{n}": [0.5, 1.5, 2.5] for n in range(4)},
            "label": ["a", "b", "a"],
        }
    )
    found = guessed(frame)
    assert (found.form, found.features) == ("wide", ("x_0", "x_1", "x_2", "x_3"))
    assert any("column 'when' holds times" in line for line in found.warnings)


def test_times_are_found_by_their_cells() -> None:
    assert guessed(steps(restart=False), id="run").time == "Zeit punkt"


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["2024-03-01 08:08:00"] * 48, "it looks like times; to use it, type time=Zeit punkt"),
        (["01.03.2024 08:08:00"] * 48, "it looks like times; to use it, type time=Zeit punkt"),
        (["03/01/2024 08:08:00"] * 48, "write it as 2026-11-24 13:05:00 and type time=Zeit punkt"),
    ],
)
def test_times_that_cannot_be_used_are_left_out_with_a_remedy(
    cells: list[str], message: str
) -> None:
    found = guessed(steps(restart=False, **{"Zeit punkt": cells}), id="run")
    assert found.time is None
    assert any(message in line for line in found.warnings)
    assert "Zeit punkt" not in found.features


@pytest.mark.parametrize(
    ("cell", "remedy"),
    [
        ("2024-03-01 08:08:00", "for a column of times, type data.time=COLUMN"),
        ("01.03.2024 08:08", "for a column of times, type data.time=COLUMN"),
        ("03/01/2024 08:08", "write times as 2026-11-24 13:05:00 and type data.time=COLUMN"),
        ("3/1/24", "write times as"),
        ("M3", "for a column of words"),
    ],
)
def test_a_time_in_a_column_of_numbers_has_a_remedy(cell: str, remedy: str) -> None:
    assert remedy in remedy_for(cell, decimal=".")


def test_an_id_that_restarts_gives_a_warning() -> None:
    found = guessed(steps(restart=True), id="run")
    assert found.restart is not None
    assert (found.restart.column, found.restart.num_changes, found.restart.num_ids) == (
        ("machine", 4, 4)
    )
    assert any("type id='machine run'" in line for line in found.warnings)


@pytest.mark.parametrize(
    "frame",
    [
        steps(restart=False),
        steps(restart=False, gear=list("PRRP") * 12),  # a feature that changes
        steps(restart=False, gear=list("PPRR") * 12, state=list("aabb") * 12),  # copy of the label
        steps(restart=False).sample(frac=1, random_state=0),
    ],
    ids=["constant", "feature", "copy", "shuffled"],
)
def test_an_id_that_does_not_restart_gives_no_warning(frame: pd.DataFrame) -> None:
    assert guessed(frame, id="run", label="state").restart is None


def test_words_that_are_constant_in_each_sequence_give_a_warning_and_numbers_do_not() -> None:
    frame = steps(restart=False)
    frame["Maschine"] = frame["machine"]
    frame["age"] = frame["run"] % 5
    table = Table(Path("d.csv"), frame)
    names = ["Maschine", "age", "pressure"]
    out, kept = bookkeeping(table, names, identity="run", label="state")
    assert (list(out), list(kept)) == ([], ["Maschine"])
    assert "data.group=Maschine" in kept["Maschine"]


def test_training_warns_of_an_id_that_restarts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    frame = steps(restart=True).drop(columns="Zeit punkt").sort_values("machine", kind="stable")
    frame["state"] = frame["run"].map({0: "a", 1: "b", 2: "a", 3: "b"})
    frame.to_csv(tmp_path / "d.csv", index=False)
    schema = Schema(id="run", label="state", categorical=("machine",))
    fit_schema(schema, tmp_path / "d.csv")
    assert "changes within 4 of 4 sequences of 'run'" in caplog.text
    assert "type data.id='machine run'" in caplog.text
    caplog.clear()
    fit_schema(replace(schema, id="machine run", categorical=()), tmp_path / "d.csv")
    assert not caplog.records

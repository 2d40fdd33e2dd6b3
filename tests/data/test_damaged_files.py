"""Wrong cells are reported with file, line and column; truncated files are refused."""

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_files import load

from unrolled.errors import DataError

some = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])

Cells = list[list[str]]  # the first row names the columns

FORMS: dict[str, dict[str, Any]] = {
    "long.csv": {"id": "name", "time": "step", "label": "kind", "form": "long"},
    "long.parquet": {"id": "name", "time": "step", "label": "kind", "form": "long"},
    "wide.csv": {"id": "name", "label": "kind", "form": "wide"},
    "folder": {"time": "step", "label": "kind"},
}
WRONG = ["x", "1,5", "1 2", "--1", "0x1F", "1.2.3", "2024-01-01"]
WRONG += ["inf", "-Infinity", "1e39", "", "NA"]


def cells_of(form: str, lengths: list[int]) -> Cells:
    """Return a good table: sequences of these lengths, with two alternating classes."""
    numbers = np.random.default_rng(0)
    if form == "wide.csv":
        longest = max(lengths)
        head = ["name", *(f"{f}_{t}" for t in range(longest) for f in "ab"), "kind"]
        rows = [
            [
                f"s{n}",
                *(f"{v:.3f}" for v in numbers.normal(size=2 * length)),
                *[""] * (2 * (longest - length)),
                f"class {n % 2}",
            ]
            for n, length in enumerate(lengths)
        ]
        return [head, *rows]
    rows = [
        [f"s{n}", str(t), *(f"{v:.3f}" for v in numbers.normal(size=2)), f"class {n % 2}"]
        for n, length in enumerate(lengths)
        for t in range(length)
    ]
    return [["name", "step", "a", "b", "kind"], *rows]


def as_text(rows: Cells) -> str:
    return "".join(",".join(f'"{cell}"' for cell in row) + "\n" for row in rows)


def write(form: str, cells: Cells, folder: Path) -> Path:
    """Write a table in a form; the folder has a file per sequence."""
    path = folder / form
    if form == "long.parquet":
        pd.DataFrame(cells[1:], columns=cells[0]).to_parquet(path)
    elif form == "folder":
        path.mkdir(exist_ok=True)
        for file in path.iterdir():
            file.unlink()
        rows: dict[str, Cells] = {}
        for name, *numbers, _ in cells[1:]:
            rows.setdefault(name, [["step", "a", "b"]]).append(numbers)
        for name, some_rows in rows.items():
            (path / f"{name}.csv").write_text(as_text(some_rows))
        kinds = {row[0]: row[-1] for row in cells[1:]}
        (path / "labels.csv").write_text(as_text([["file", "kind"], *map(list, kinds.items())]))
    else:
        path.write_text(as_text(cells))
    return path


def place(form: str, cells: Cells, row: int, path: Path) -> str:
    """Return the file and line of a row of cells as messages name them."""
    if form == "long.parquet":
        return f"{path}, row {row}"
    if form == "folder":
        before = [other[0] for other in cells[1 : row + 1]]
        return f"{path / cells[row][0]}.csv, line {1 + before.count(cells[row][0])}"
    return f"{path}, line {row + 1}"


def numbers_of(form: str, cells: Cells) -> Iterator[tuple[int, int]]:
    """Yield row and column of every cell that holds a feature."""
    for row, line in enumerate(cells[1:], start=1):
        for column, name in enumerate(cells[0]):
            if name[0] in "ab" and line[column]:
                yield row, column


def assert_refused(
    form: str, cells: Cells, folder: Path, *, row: int, column: int, reason: str = ""
) -> None:
    """Assert that a table is refused and that the message begins with the place of this cell."""
    path = write(form, cells, folder)
    expected = f"{place(form, cells, row, path)}, column {cells[0][column]!r}: {reason}"
    with pytest.raises(DataError, match="^" + re.escape(expected)):
        load(path, **FORMS[form])


each_form = pytest.mark.parametrize("form", FORMS)
lengths = st.lists(st.integers(2, 4), min_size=2, max_size=5)


@each_form
@some
@given(data=st.data())
def test_a_cell_that_is_not_a_number_is_reported_with_file_line_and_column(
    form: str, data: st.DataObject, tmp_path: Path
) -> None:
    cells = cells_of(form, data.draw(lengths))
    row, column = data.draw(st.sampled_from(list(numbers_of(form, cells))))
    wrong = data.draw(st.sampled_from(WRONG))
    if form == "wide.csv" and wrong in (
        "",
        "NA",
    ):  # at the end, ends the sequence
        column = data.draw(st.integers(1, 2))
    cells[row][column] = wrong
    assert_refused(form, cells, tmp_path, row=row, column=column)


@each_form
@some
@given(data=st.data())
def test_the_first_of_several_words_in_a_column_is_reported(
    form: str, data: st.DataObject, tmp_path: Path
) -> None:
    cells = cells_of(form, data.draw(lengths))
    first, column = data.draw(st.sampled_from(list(numbers_of(form, cells))))
    for row in range(first, len(cells)):
        if cells[row][column]:
            cells[row][column] = f"word {row}"
    assert_refused(form, cells, tmp_path, row=first, column=column, reason=f"'word {first}' is")


@pytest.mark.parametrize("form", ["long.csv", "long.parquet", "wide.csv"])
@pytest.mark.parametrize("other", ["name", "kind"])
@some
@given(data=st.data())
def test_swapped_cells_are_reported_with_their_line(
    form: str, other: str, data: st.DataObject, tmp_path: Path
) -> None:
    cells = cells_of(form, data.draw(lengths))
    row, column = data.draw(st.sampled_from(list(numbers_of(form, cells))))
    word = cells[0].index(other)
    cells[row][column], cells[row][word] = cells[row][word], cells[row][column]
    assert_refused(form, cells, tmp_path, row=row, column=column)


@pytest.mark.parametrize("form", ["long.csv", "wide.csv"])
@some
@given(data=st.data())
def test_a_truncated_table_is_refused_with_its_last_line_or_ends_after_a_whole_row(
    form: str, data: st.DataObject, tmp_path: Path
) -> None:
    cells = cells_of(form, data.draw(lengths))
    text = as_text(cells)
    end = data.draw(st.integers(text.index("\n") + 1, len(text) - 1))
    path = tmp_path / form
    path.write_text(text[:end])
    if text[:end].endswith('"\n') or text[end] == "\n":
        whole = text[:end].rstrip("\n").count("\n")
        if len({row[-1] for row in cells[1 : 1 + whole]}) == 2:
            num = len({row[0] for row in cells[1 : 1 + whole]})
            assert len(load(path, **FORMS[form]).train) == num
        return
    last = 1 + text[:end].count("\n")
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}, line {last}[,:]"):
        load(path, **FORMS[form])


def as_npz(file: Any) -> None:
    np.savez(file, x=np.ones((4, 3, 2), np.float32), y=np.array([0, 1, 0, 1]))


def as_parquet(file: Any) -> None:
    cells = cells_of("long.csv", [3, 3])
    pd.DataFrame(cells[1:], columns=cells[0]).to_parquet(file)


@pytest.mark.parametrize(("name", "writer"), [("x.npz", as_npz), ("x.parquet", as_parquet)])
@some
@given(percent=st.integers(0, 99))
def test_a_truncated_binary_file_is_refused_with_its_path(
    name: str, writer: Callable[[Any], None], percent: int, tmp_path: Path
) -> None:
    buffer = io.BytesIO()
    writer(buffer)
    content = buffer.getvalue()
    (tmp_path / name).write_bytes(content[: percent * len(content) // 100])
    with pytest.raises(DataError, match=re.escape(str(tmp_path / name))):
        load(tmp_path / name, **(FORMS["long.csv"] if name == "x.parquet" else {}))

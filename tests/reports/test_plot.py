"""Curves in a terminal: `unrolled list run=DIR`."""

import io

import pytest

from unrolled.cli import run
from unrolled.reports.console import InertConsole
from unrolled.reports.plot import HEIGHT, plot


def lines_of(curves, *, encoding: str = "utf-8", width: int = 80) -> list[str]:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    return [str(line) for line in plot("loss", curves, InertConsole(file=file, width=width))]


def test_each_value_is_in_the_column_of_its_epoch_and_the_line_of_its_size() -> None:
    title, *rows, axis = lines_of({"train": [(1, 4.0), (2, 2.0), (3, 0.0)], "val": [(3, 4.0)]})
    assert title == "loss (· train, ● val)"
    assert rows[0] == "4 |·       ●"
    assert rows[HEIGHT // 2] == "  |    ·"
    assert rows[-1] == "0 |        ·"
    assert axis == "   1       3  epoch"


def test_epochs_that_share_a_column_are_averaged() -> None:
    values = [(epoch, float(epoch % 2)) for epoch in range(200)]
    rows = lines_of({"val": values}, encoding="ascii", width=54)[1:-1]
    assert max(map(len, rows)) <= 54
    assert sum(row.count("o") for row in rows) == 54 - len("0 |")
    assert "o" in rows[HEIGHT // 2]  # about half of the averages are between 0 and 1


@pytest.mark.parametrize("values", [[(1, 0.5)], [(1, 0.5), (2, 0.5)]])
def test_a_single_value_is_a_plot_too(values: list[tuple[float, float]]) -> None:
    rows = lines_of({"train": values})
    assert sum(row.count("·") for row in rows[1:]) == len(values)


def test_list_shows_the_scores_and_curves_of_one_run(train_in, capsys) -> None:
    sizes = [f"data.source.num_{name}=6" for name in ("train", "val", "test")]
    made = train_in("data=random", "model.hidden_size=4", "trainer.max_epochs=2", *sizes)
    capsys.readouterr()
    assert run(["list", f"run={made.folder.path}"]) == 0
    printed = capsys.readouterr().out
    assert "sequences: 6 train, 6 val, 6 test" in printed
    assert "best epoch:" in printed
    assert "loss (· train, ● val)" in printed
    assert "accuracy (· train, ● val)" in printed


def test_the_ends_of_the_axis_look_different() -> None:
    rows = lines_of({"train": [(1, 2.30261), (2, 2.30256)]})
    assert (rows[1][:9], rows[HEIGHT][:9]) == ("2.30261 |", "2.30256 |")

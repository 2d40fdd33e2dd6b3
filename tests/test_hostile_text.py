"""Names and messages that others chose do nothing where they are shown: one hostile data set."""

import csv
import logging
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Text

from reports.test_comparison import write
from unrolled import output
from unrolled.callbacks.tensorboard_figures import Mistake, confusion_figure, mistakes_figure
from unrolled.cli import run
from unrolled.reports.comparison import compare
from unrolled.reports.formats import to_csv, to_latex, to_markdown
from unrolled.reports.runs import read_runs
from unrolled.runs.run_folder import RunFolder

FORMULA = "=cmd|' /C calc'!A0"
CLASSES = (
    FORMULA,
    "\x1b]0;owned\x07\x1b[2J[/red]\u202e$\\frac{$<script>alert(1)</script>",
    "-1",
)
FEATURE = "$\\undefined{x}$ \x1b[31m"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of hostile names and a run that was trained on it."""
    path = tmp_path_factory.mktemp("hostile")
    rng = np.random.default_rng(0)
    rows = [
        (f"{'=@'[number % 2]}{number}", CLASSES[number % 3], value)
        for number in range(60)
        for value in rng.normal(loc=number % 3, size=4)
    ]
    frame = pd.DataFrame(rows, columns=["id", "label", FEATURE])
    frame.to_csv(path / "data [bold].csv", index=False)
    words = ["data=files", "recipe=own", "model.hidden_size=4", "trainer.max_epochs=1"]
    columns = ["data.id=id", "data.label=label", "logger=none"]
    place = [f"data.path={path / 'data [bold].csv'}", f"hydra.run.dir={path / 'run'}"]
    assert run(["train", *words, *columns, *place]) == 0
    return path


def is_inert(text: str) -> bool:
    return not any(sign in text for sign in ("\x1b", "\x07", "\u202e"))


def test_nothing_reaches_the_terminal_or_the_log(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    unrendered_figures: None,
) -> None:
    monkeypatch.chdir(folder)
    file = folder / "data [bold].csv"

    assert run(["evaluate", f"run={folder / 'run'}", f"input={file}"]) == 0
    assert run(["predict", f"run={folder / 'run'}", f"input={file}", f"output={folder}/p.csv"]) == 0
    assert run(["inspect", f"path={file}", "output=x.yaml"]) == 0
    assert run(["train", "data=files", f"data.path={file}", "data.label=\x1b[2J"]) == 3

    text = "".join(capsys.readouterr())
    assert "[/red]" in text
    assert is_inert(text)
    assert is_inert((folder / "run/train.log").read_text())


def test_log_records_and_tracebacks_are_inert(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = logging.StreamHandler(sys.stdout)
    logger = logging.getLogger("hostile")
    logger.addHandler(handler)
    try:
        try:
            int("\x1b[2J")
        except ValueError:
            logger.exception("%s \x07 %d", "\x1b[1m", 3)
    finally:
        logger.removeHandler(handler)
    text = capsys.readouterr().out
    assert "ValueError: invalid literal" in text
    assert is_inert(text)


@pytest.mark.skipif(sys.platform == "win32", reason="names are text there")
def test_a_file_name_that_is_no_text_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = os.fsdecode(bytes(tmp_path) + b"/\xff.csv")

    assert run(["inspect", f"path={name}"]) == 3

    assert r"\xff.csv" in capsys.readouterr().err


def test_a_spreadsheet_executes_no_cell_and_every_name_can_be_restored(folder: Path) -> None:
    words = [f"run={folder / 'run'}", f"input={folder / 'data [bold].csv'}"]
    assert run(["evaluate", *words, f"output={folder / 'mistakes.csv'}", "overwrite=true"]) == 0
    assert run(["predict", *words, f"output={folder / 'all.csv'}", "overwrite=true"]) == 0

    with (folder / "all.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with (folder / "mistakes.csv").open(newline="", encoding="utf-8") as file:
        mistakes = list(csv.DictReader(file))
    cells = {cell for row in (*rows, *mistakes) for cell in row.values()}
    assert {cell for cell in cells if cell[0] in "=+-@\t\r"} <= {"-1"}
    assert {output.original_text(row["predicted"]) for row in rows} <= set(CLASSES)
    assert {output.original_text(row["label"]) for row in mistakes} <= set(CLASSES)
    assert output.original_text(rows[0]["id"]) == "=0"
    assert all(0 <= float(row["p_-1"]) <= 1 for row in rows)


@pytest.mark.parametrize(
    "text", ["=a", "+a", "-a", "@a", "\ta", "'=a", "''-a", "'a", "-1", "a=", ""]
)
def test_a_cell_restores_its_text(text: str) -> None:
    cell = output.spreadsheet_cell(text)

    assert output.original_text(cell) == text
    assert cell == "-1" or not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize(
    ("number", "is_kept"), [("-1", True), ("+1.5e-3", True), ("-.5", True), ("-1+1", False)]
)
def test_numbers_stay_numbers(number: str, *, is_kept: bool) -> None:
    assert (output.spreadsheet_cell(number) == number) is is_kept


@given(st.lists(st.text("=+-@'\t\r\n\0a1", max_size=4)))
def test_a_column_has_the_cells_of_its_texts(texts: list[str]) -> None:
    cells = [output.spreadsheet_cell(text) for text in texts]

    assert list(output.spreadsheet_column(texts)) == cells


def texts_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


def test_figures_draw_names_as_they_are(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts, sequence = torch.eye(3, dtype=torch.long), torch.zeros(2, 1)
    mistake = Mistake(x=sequence, label=CLASSES[0], predicted=CLASSES[1], probability=0.1)
    drawn = [
        confusion_figure(counts, CLASSES, title="counts"),
        mistakes_figure([mistake], title="mistakes"),
    ]

    def save(figure: Figure, path: Path, **_: object) -> None:
        drawn.append(figure)
        path.touch()

    monkeypatch.setattr(Figure, "savefig", save)
    monkeypatch.chdir(folder)
    path = folder / "data [bold].csv"
    assert run(["inspect", f"path={path}", "output=y.yaml"]) == 0

    assert len(drawn) == 3
    for figure in drawn:
        figure.draw_without_rendering()  # mathematics that matplotlib cannot read would raise
        assert any(r"\$" in text for text in texts_of(figure))
        assert all(map(is_inert, texts_of(figure)))
        assert not any(text.get_usetex() for text in figure.findobj(Text))


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The table of a sweep with hostile settings and errors, in each format."""
    root = tmp_path_factory.mktemp("sweep")
    for number, name in enumerate(CLASSES):
        write(root / f"run-{number}", "data=files", score=0.5)
        config = RunFolder(root / f"run-{number}").config()
        config.data.path = config.data.id = name
        RunFolder(root / f"run-{number}").write_config(config)
    error = "$<b> <img src=x onerror=alert(1)> [a](javascript:alert(1)) \\input{/a} `x` \x1b[2J"
    write(root / "failed", "model=rnn", error=error)
    compared = compare(read_runs([root]), metric=None, group=[], sort=None, baseline_scores=None)
    return {
        "csv": to_csv(compared),
        "md": to_markdown(compared, title="<b>"),
        "tex": to_latex(compared),
    }


def test_tables_in_every_format_are_inert(tables: dict[str, str]) -> None:
    assert all(map(is_inert, tables.values()))
    for tag in ("<script", "<img", "<b>"):
        assert f"\\{tag}" in tables["md"] or tag not in tables["md"]
        assert tables["md"].count(tag) == tables["md"].count(f"\\{tag}")
    assert "](javascript" not in tables["md"].replace("\\]", "")
    assert "\\frac" not in tables["tex"]
    rows = list(csv.reader(tables["csv"].splitlines()))
    assert any(cell == f"'{FORMULA}" for row in rows for cell in row)
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row)

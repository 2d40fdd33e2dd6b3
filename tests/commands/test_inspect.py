"""`unrolled inspect`, and all commands of docs/own-data.md."""

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from unrolled.cli import run
from unrolled.data.files.description import draw
from unrolled.data.files.guessing import guess
from unrolled.data.files.recordings import Recordings
from unrolled.data.files.schema import Schema
from unrolled.data.files.tables import whole_table

pytestmark = pytest.mark.usefixtures("unrendered_figures")

PAGE = Path(__file__).parents[2] / "docs" / "own-data.md"


def line_with(words: str) -> str:
    """Return the first documented command that contains these words."""
    return next(line for block in blocks("bash") for line in block.splitlines() if words in line)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_commands_of_the_page_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(blocks("python")[0], {})
    commands = blocks("bash")[0].splitlines()
    assert len(commands) == 3
    for command in commands:
        words = command.removeprefix("unrolled ").split()
        # no folds: the final network alone; test_documented_commands.py trains the folds too
        quick = ["trainer.max_epochs=12", "data.test_size=0", "logger=none"]
        assert run([*words, *quick] if words[0] == "train" else words) == 0, capsys.readouterr().err
    truth = pd.read_csv("swings.csv").groupby("swing")["kind"].first()
    out = pd.read_csv("predictions.csv").set_index("id")
    assert set(out.columns) == {"predicted", "p_fast", "p_slow"}
    assert (out["predicted"] == truth.reindex(out.index)).mean() > 0.9


def test_the_command_without_a_config_file_reads_the_same_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(blocks("python")[0], {})
    assert run(["inspect", "path=swings.csv", "id=swing"]) == 0
    command = line_with("data=files data.path=swings.csv")
    by_hand = dict(word.split("=") for word in command.split() if word.startswith("data."))
    written = OmegaConf.load("my_data.yaml")
    assert written["path"] == str(tmp_path / by_hand.pop("data.path"))
    assert by_hand.pop("data.test_path") == "swings_test.csv"
    assert by_hand == {f"data.{name}": written[name] for name in ("id", "time", "label")}


def test_the_command_for_long_recordings_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(blocks("python")[0], {})
    assert run(["inspect", "path=swings.csv", "id=swing"]) == 0
    command = line_with("data.window.size=20 ")
    small = ["trainer.max_epochs=1", "data.num_folds=2", "logger=none", "data.baselines=false"]
    assert run([*command.split()[1:], *small]) == 0
    assert "test, by recording" in capsys.readouterr().out


TABLES: dict[str, tuple[dict[str, list[Any]], dict[str, Any]]] = {
    "long, by name": (
        {"id": [1, 1, 2, 2], "t": [0, 1, 0, 1], "v": [1, 2, 3, 4], "y": [0, 0, 1, 1]},
        {"form": "long", "id": "id", "time": "t", "label": "y", "features": ("v",)},
    ),
    "long, by content": (
        {"who": ["a", "a", "b", "b"], "v": [0.5, 1, 2, 3], "how": ["up", "up", "down", "down"]},
        {"form": "long", "id": "who", "time": None, "label": "how", "features": ("v",)},
    ),
    "long, with words": (
        {"id": [1, 1, 2, 2], "gear": list("PRRP"), "v": [1, 2, 3, 4], "class": list("aabb")},
        {"form": "long", "label": "class", "features": ("gear", "v"), "categorical": ("gear",)},
    ),
    "wide": (
        {"name": list("abcd"), "x_0": [1, 2, 3, 4], "x_1": [1, 2, 3, 4], "label": list("uvuv")},
        {"form": "wide", "id": "name", "label": "label", "features": ("x_0", "x_1")},
    ),
    "wide, without names": (
        {"0": [1, 2, 3, 4], "1": [1, 2, 3, 4], "target": [0, 1, 0, 1]},
        {"form": "wide", "id": None, "label": "target", "features": ("0", "1")},
    ),
}


@pytest.mark.parametrize(("columns", "expected"), TABLES.values(), ids=TABLES)
def test_columns_are_guessed(
    columns: dict[str, list[Any]], expected: dict[str, Any], tmp_path: Path
) -> None:
    pd.DataFrame(columns).to_csv(tmp_path / "t.csv", index=False)
    table = whole_table(tmp_path / "t.csv", Schema(), labelled=True)
    found = guess(table, known=dict.fromkeys(("id", "time", "label")))
    assert {name: getattr(found, name) for name in expected} == expected


def inspect(text: str, *arguments: str, name: str = "d.csv") -> int:
    Path(name).write_text(text)
    return run(["inspect", f"path={name}", *arguments])


ROWS = "".join(
    f"s{n},{t + 2 * (t == 3)},{n * t},7,{'ab'[n % 2]}\n" for n in range(12) for t in range(4)
)
GOOD = "id,t,v,flat,y\n" + ROWS


GOOD_LINES = [
    r"12, 4 steps each",
    r"classes: +a 6 \(50%\), b 6 \(50%\)",
    r"median step 1, 12 gaps",
    r"v: 0 to 33, mean",
    r"warning: +feature 'flat' is constant",
]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (GOOD, GOOD_LINES),
        (
            GOOD.replace("s3,0,0,", "s3,0,,"),
            [r"warning: +1 values are missing"],
        ),
        (
            (GOOD + ROWS.replace("s", "r")).replace(",7,b", ",9,b"),
            [r"warning: +feature 'flat': its value alone separates the classes .*=\[v\]"],
        ),
        (GOOD + "x,0,1,1,c\n", [r"warning: +class 'c' has 1 sequences"]),
    ],
)
def test_the_contents_of_a_file_are_described(
    text: str,
    lines: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert inspect(text) == 0
    printed = capsys.readouterr().out
    assert [line for line in lines if not re.search(line, printed)] == []


def test_the_config_for_a_file_with_empty_cells_can_be_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert inspect(GOOD.replace("s3,0,0,", "s3,0,,"), "output=mine.yaml") == 0
    small = ["trainer.max_epochs=1", "model.hidden_size=4", "logger=none", "data.num_folds=2"]
    small += ["data.baselines=false", "data.refit=false"]
    assert run(["train", "data=mine", *small]) == 0


def test_a_row_that_ends_early_is_a_shorter_sequence_without_missing_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    short = "".join(f"{n},{n},,{'ab'[n % 2]}\n" for n in range(9))
    assert inspect(f"id,x_0,x_1,label\n{short}9,1,2,b\n") == 0
    assert "10, 1 to 2 steps" in capsys.readouterr().out
    assert "missing" not in OmegaConf.load("my_data.yaml")


@pytest.mark.parametrize(("num", "folds"), [(2, []), (4, []), (25, ["data.num_folds=2"])])
def test_changing_labels_are_reported_and_the_printed_command_works(
    num: int,
    folds: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"s{n},{t},{n * t},{'ab'[t > 3 + n % 4]}" for n in range(num) for t in range(9)]
    assert inspect("id,t,v,y\n" + "\n".join(rows) + "\n") == 0
    printed = capsys.readouterr().out
    assert f"the label changes within {num} of {num} sequences" in printed
    (command,) = re.findall(r"to train: +unrolled (train .*)", printed)
    assert "data.window.size=4 data.window.label=majority" in command
    small = ["trainer.max_epochs=1", "model.hidden_size=4", "logger=none", "data.baselines=false"]
    assert run([*command.split(), *small, *folds]) == 0


def test_windows_are_suggested_for_very_long_sequences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("x.npz", x=np.random.default_rng(0).normal(size=(4, 2001)), y=np.arange(4) % 2)
    assert run(["inspect", "path=x.npz"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"longest sequence has 2,001 steps.*data\.window\.size=\d+", printed)
    np.savez("x.npz", x=np.random.default_rng(0).normal(size=(4, 2000)), y=np.arange(4) % 2)
    assert run(["inspect", "path=x.npz"]) == 0
    assert "data.window" not in capsys.readouterr().out


EVENTS = "id,event,y\n" + "".join(f"{n // 10},e{n % 63},{'ab'[n // 10 % 2]}\n" for n in range(200))


def test_a_column_of_many_words_is_read_if_you_ask_for_vectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert inspect(EVENTS) == 3
    assert "every feature column has more than 50 words" in capsys.readouterr().err
    assert (
        inspect(EVENTS.replace(",y\n", ",y,v\n").replace("a\n", "a,1\n").replace("b\n", "b,2\n"))
        == 0
    )
    assert "column 'event' is left out: it has 63 words" in capsys.readouterr().out
    assert inspect(EVENTS, "embedding=16", "output=mine.yaml") == 0
    assert "event: 63 words" in capsys.readouterr().out
    written = OmegaConf.load("mine.yaml")
    assert (written["categorical"], written["embedding"]) == (["event"], 16)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["path=x.csv", "embedding=0"], 2, "need a whole number >= 1"),
        ([], 2, "inspect takes path=FILE"),
        (["path=x.csv", "what=1"], 2, "inspect takes path=FILE"),
        (["path=x.csv"], 3, "there is no such file"),
        (["path=x.csv", "output=a/b.yaml"], 2, "need a file name without a folder"),
    ],
)
def test_invalid_arguments_are_refused(
    arguments: list[str],
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["inspect", *arguments]) == code
    assert message in capsys.readouterr().err


def test_a_damaged_file_is_refused_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert inspect(GOOD.replace("s3,1,3,7,b", "s3,1,3,7")) == 3
    assert "d.csv, line 15: the row has 4 cells" in capsys.readouterr().err


def test_arrays_are_inspected_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    x = np.arange(60.0).reshape(10, 3, 2)
    np.savez("x.npz", x=x, y=np.arange(10) % 2, lengths=np.arange(10) % 3 + 1)
    assert run(["inspect", "path=x.npz"]) == 0
    assert "10, 1 to 3 steps" in capsys.readouterr().out


def test_a_word_in_a_numeric_column_is_refused_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert inspect(GOOD.replace("s3,0,0,7", "s3,0,n/k,7")) == 3
    assert "line 14, column 'v': 'n/k' is not a number" in capsys.readouterr().err
    assert not Path("my_data.yaml").exists()


def test_a_corrected_config_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert inspect(GOOD) == 0
    written = Path("my_data.yaml").read_text()
    assert inspect(GOOD) == 0  # the same content again is no conflict
    assert "wrote:     my_data.yaml" in capsys.readouterr().out
    Path("my_data.yaml").write_text(written + "missing: mask\n")
    assert inspect(GOOD) == 0
    assert "but not my_data.yaml, which exists with other content" in capsys.readouterr().out
    assert Path("my_data.yaml").read_text() == written + "missing: mask\n"


def test_the_last_line_never_offers_to_train_an_older_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my_data.yaml").write_text("form: wide\n")
    assert inspect(GOOD) == 0
    printed = capsys.readouterr().out
    assert "to train:" not in printed
    assert "output=NAME.yaml" in printed.splitlines()[-1]
    assert "overwrite=true" in printed.splitlines()[-1]
    assert inspect(GOOD, "overwrite=true") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "to train:  unrolled train data=my_data"
    assert OmegaConf.load("my_data.yaml")["form"] == "long"


def test_ids_that_restart_are_reported_before_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"m{m},{r},{m + r * t},{'ab'[m]}" for m in range(2) for r in range(6) for t in range(4)]
    assert inspect("machine,run,v,y\n" + "\n".join(rows) + "\n", "id=run") == 0
    printed = capsys.readouterr().out
    assert "column 'machine' changes within 6 of 6 sequences of 'run'" in printed
    assert "if 'machine' does not separate them (above), cut windows" in printed
    advice = "first try: unrolled (inspect path=d.csv 'id=machine run' overwrite=true)\nto train: "
    (command,) = re.findall(advice, printed)
    assert run(shlex.split(command)) == 0
    printed = capsys.readouterr().out
    assert "sequences: 12, 4 steps each" in printed
    assert "data.window" not in printed


def test_each_feature_has_a_panel_with_its_own_scale_and_numbers_come_first() -> None:
    names = [*(f"w={n}" for n in range(7)), "small", "large"]
    steps = np.tile(np.arange(24.0)[:, None], 9) * [*[1] * 8, 1e6]
    recordings = Recordings(
        ids=list("pqrs"),
        steps=steps,
        lengths=np.full(4, 6),
        labels=list("abab"),
        feature_names=names,
        groups=None,
        spans=None,
    )
    panels = draw(recordings, last=names[:7]).axes
    assert [axes.get_ylabel() for axes in panels[::2]] == ["small", "large", *names[:4]]
    assert [axes.get_title() for axes in panels[:2]] == ["a", "b"]
    assert {len(axes.lines) for axes in panels} == {2}
    assert panels[0].get_ylim()[1] < 100 < panels[2].get_ylim()[1]

"""`unrolled list` and `unrolled report` on a terminal: foreign text, narrow widths, bad folders."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import compose
from unrolled.cli import run
from unrolled.output import clean
from unrolled.reports.comparison import compare
from unrolled.reports.runs import read_runs
from unrolled.reports.terminal import show_scores
from unrolled.runs.result import Best, Result
from unrolled.runs.run_folder import RunFolder

NAMES = [f"digits/{model}/2026-11-25_21-00-0{n}-abc123" for n, model in enumerate(("lstm", "rnn"))]


def write(path: Path, *overrides: str, error: str | None = None) -> RunFolder:
    folder = RunFolder(path)
    folder.write_config(compose("trainer=cpu", *overrides))
    folder.write_provenance({"overrides": list(overrides)})
    folder.write_result(
        Result(
            state="failed" if error else "done",
            exit_code=1 if error else 0,
            error=error,
            scores={} if error else {"test/accuracy": 0.9, "val/accuracy": 0.8},
            best=Best("val/loss", value=0.1),
            num_parameters=123456,
            seconds={"total": 2.0},
            data_fingerprint="f",
        )
    )
    return folder


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Print as on a terminal of 80 columns."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    return monkeypatch


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)


@pytest.mark.parametrize("width", [80, 120])
def test_list_prints_one_line_per_run(width, tmp_path, terminal, capsys):
    for name in NAMES:
        write(tmp_path / name)
    terminal.setenv("COLUMNS", str(width))

    assert run(["list", f"root={tmp_path}"]) == 0

    lines = printed(capsys).splitlines()
    for name in NAMES:
        (line,) = [line for line in lines if name in line]
        assert {"done", "90.00"} <= set(line.split())
    assert len([line for line in lines if line.strip()]) == len(NAMES) + 2  # header and rule
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("width", [80, 120])
def test_list_shortens_long_names_in_the_middle(width, tmp_path, terminal, capsys):
    write(tmp_path / "sweeps" / "2026-11-25_21-00-00" / f"{'data.layout-permuted_' * 5}seed-3")
    terminal.setenv("COLUMNS", str(width))

    assert run(["list", f"root={tmp_path}"]) == 0

    lines = [line for line in printed(capsys).splitlines() if line.strip()]
    assert len(lines) == 3
    assert "sweeps/2026-1" in lines[2]
    assert "seed-3" in lines[2]
    assert max(map(len, lines)) <= width


def test_list_marks_debug_runs(tmp_path, capsys):
    write(tmp_path / "a", "debug=fast")
    write(tmp_path / "b")

    assert run(["list", f"root={tmp_path}"]) == 0

    states = {line.split()[-1]: "(debug)" in line for line in capsys.readouterr().out.splitlines()
              if line.strip().startswith("done")}  # fmt: skip
    assert states == {"a": True, "b": False}


@pytest.mark.parametrize("reason", ["a [/bold] b", "index [0] of [red]x[/]", "[/]", ":smile:"])
def test_text_in_square_brackets_is_printed_as_it_is(reason, tmp_path, capsys):
    write(tmp_path / "a [/x]", "model=rnn")
    write(tmp_path / "b", "model=lstm", error=reason)

    assert run(["list", f"root={tmp_path}"]) == 0
    assert "a [/x]" in capsys.readouterr().out
    assert run(["report", str(tmp_path), "baselines=false"]) == 0
    assert reason in capsys.readouterr().out


def test_scores_of_baselines_with_square_brackets_are_printed(capsys):
    show_scores(Result(scores={"test/accuracy": 0.5}, baselines={"class [/a]": 0.25}))

    assert "test accuracy of the baseline class [/a]: 0.2500" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text", ["\x1b[31mred\x1b[0m", "\x1b]0;title\x07red", "r\x07e\x08d", "\x1b]8;;\x1b\\red"]
)
def test_escape_sequences_and_control_characters_are_removed(text):
    assert clean(text) == "red"


def test_escape_sequences_of_a_failure_do_not_reach_the_terminal(tmp_path, capsys):
    write(tmp_path / "a")
    write(tmp_path / "b", "model=lstm", error="\x1b]0;title\x07\x1b[2Jno such file")

    assert run(["report", str(tmp_path), "baselines=false"]) == 0

    out = capsys.readouterr().out
    assert "no such file" in out
    assert "\x1b" not in out


@pytest.mark.parametrize("damage", ["format_version", "result", "config", "foreign"])
def test_a_folder_that_cannot_be_read_is_skipped_and_named(damage, tmp_path, capsys):
    write(tmp_path / "good")
    bad = write(tmp_path / "bad").path
    if damage == "format_version":
        result = json.loads((bad / "result.json").read_text())
        (bad / "result.json").write_text(json.dumps(result | {"format_version": 99}))
    elif damage == "result":
        (bad / "result.json").write_text("{")
    else:
        (bad / "config.yaml").write_text("a: [" if damage == "config" else "a: 1")

    assert run(["list", f"root={tmp_path}"]) == 0
    out = capsys.readouterr().out
    assert "good" in out
    assert len([line for line in out.splitlines() if f"skipped {bad}" in line]) == 1
    if damage != "foreign":  # another program's config.yaml has no scores, but is a config
        assert [run_.path.name for run_ in read_runs([tmp_path])] == ["good"]


def test_a_setting_that_the_command_replaced_is_in_no_table(tmp_path):
    for model in ("lstm", "rnn"):  # their recipes have different learning rates
        write(tmp_path / model, f"model={model}", "optimizer.lr=0.02")

    options = {"metric": None, "group": [], "sort": None, "baseline_scores": None}
    columns = compare(read_runs([tmp_path]), **options).columns

    assert not [name for name in columns if "recipe" in name or name.endswith(".lr")]


WITHOUT_LIGHTNING = """
import sys
from unrolled.cli import run
code = run(["report", sys.argv[1], "baselines=false"])
loaded = {"torch", "lightning", "sklearn"} & set(sys.modules)
assert not loaded, loaded
sys.exit(code)
"""


def test_report_of_finished_runs_loads_neither_torch_nor_lightning(tmp_path):
    write(tmp_path / "a")

    subprocess.run([sys.executable, "-c", WITHOUT_LIGHTNING, str(tmp_path)], check=True)

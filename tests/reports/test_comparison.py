"""Run folders side by side: which make a row, what sets rows apart, in four formats."""

import csv
import json
import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from conftest import compose
from unrolled.cli import run
from unrolled.errors import ConfigError
from unrolled.reports.comparison import compare, select
from unrolled.reports.formats import to_csv, to_latex, to_markdown
from unrolled.reports.report import show
from unrolled.reports.runs import read_runs
from unrolled.runs.result import Best, Result
from unrolled.runs.run_folder import RunFolder

pytestmark = pytest.mark.usefixtures("undrawn_pages")

SCORES = {
    ("lstm", 1): 0.95,
    ("lstm", 2): 0.97,
    ("lstm", 3): 0.96,
    ("rnn", 1): 0.90,
    ("rnn", 2): 0.93,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A sweep of two models, three seeds, of which one job has failed."""
    root = tmp_path_factory.mktemp("sweep")
    for (model, seed), accuracy in SCORES.items():
        write(root / f"model-{model}_seed-{seed}", f"model={model}", f"seed={seed}", score=accuracy)
    write(root / "model-rnn_seed-3", "model=rnn", "seed=3", error="loss is nan | step_1 & 50 %")
    (root / "multirun.yaml").touch()
    return root


def write(path, *overrides, score=None, error=None):
    run_folder = RunFolder(path)
    run_folder.write_config(compose("trainer=cpu", *overrides))
    scores = {} if score is None else {"test/accuracy": score, "val/accuracy": score / 2}
    run_folder.write_result(
        Result(
            state="done" if error is None else "failed",
            exit_code=0 if error is None else 5,
            error=error,
            scores=scores,
            best=Best("val/loss", value=0.1),
            num_parameters=1234,
            seconds={"total": 2.0},
            data_fingerprint="f" if error is None else "",
        )
    )


def compared(folder, **changes):
    options = {"metric": None, "group": [], "sort": None, "baseline_scores": None}
    return compare(read_runs([folder]), **options | changes)


def test_a_row_is_what_differs_in_seed_only(folder):
    rows = compared(folder).rows

    assert [row.key["model"] for row in rows] == ["LSTM", "RNN"]  # the best first
    assert [row.scores["test/accuracy"].n for row in rows] == [3, 2]
    assert rows[0].scores["test/accuracy"].mean == pytest.approx(0.96)
    assert [row.num_failed for row in rows] == [0, 1]


def test_columns_are_what_rows_differ_in_and_a_recipe_is_named_once(folder):
    columns = compared(folder).columns

    assert set(columns) == {
        "data", "model", "model.layer.forget_bias", "model.layer.nonlinearity", "optimizer.lr"
    }  # fmt: skip


def test_rows_are_compared_seed_by_seed(folder):
    (difference,) = compared(folder).differences

    assert difference.key["model"] == "RNN"
    assert difference.summary.n == 2
    assert difference.summary.mean == pytest.approx(-0.045)


def test_failures_are_listed_with_their_reasons(folder):
    comparison = compared(folder)

    assert [(run.path.name, run.exit_code) for run in comparison.failures] == [
        ("model-rnn_seed-3", 5)
    ]
    assert "loss is nan" in to_markdown(comparison, title="x")


def test_a_run_that_was_killed_is_listed_too(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "model-lstm_seed-3" / "result.json").unlink()

    states = [run.state for run in compared(copy).failures]

    assert states == ["unfinished", "failed"]


def test_grouping_averages_over_everything_else(folder):
    (row,) = compared(folder, group=["head"]).rows

    assert row.key == {"head": "LastStep"}
    assert row.scores["test/accuracy"].n == 5


def test_sorting_by_a_key_that_is_no_score(folder):
    rows = compared(folder, sort="optimizer.lr").rows

    assert [row.key["model"] for row in rows] == ["RNN", "LSTM"]  # 0.003, 0.005


def test_filtering_by_what_the_table_shows(folder):
    runs = select(read_runs([folder]), key="model", value="lstm")

    assert {run.path.name[:10] for run in runs} == {"model-lstm"}


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"metric": "test/acuracy"}, "did you mean 'test/accuracy'"),
        ({"sort": "optimizer.lrr"}, "did you mean 'optimizer.lr'"),
        ({"group": ["modle"]}, "did you mean 'model'"),
    ],
)
def test_a_mistyped_key_is_refused(folder, changes, hint):
    with pytest.raises(ConfigError, match=hint):
        compared(folder, **changes)


def test_baselines_stand_below_the_rows(folder):
    comparison = compared(
        folder, baseline_scores=lambda _: {"majority class": {"test/accuracy": 0.1}}
    )

    text = to_markdown(comparison, title="x")

    (line,) = [line for line in text.splitlines() if "majority class" in line]
    assert "| 10.00 | 1 |" in line
    assert text.index("RNN") < text.index("majority class")


def test_a_narrow_terminal_shows_scores_and_reasons_whole(folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal

    show(compared(folder))

    text = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    assert max(map(len, text.splitlines()[:20])) <= 80
    (line,) = [line for line in text.splitlines() if line.split()[:1] == ["LSTM"]]
    assert {"0.01", "96.00", "3", "93.52"} <= set(line.split()), "no number is broken"
    assert "loss is nan" in text
    assert "…" not in text
    told = " ".join(text[text.index("columns not shown: ") :].split())
    assert "worst to best" in told
    assert "model.layer.nonlinearity" in told, "the model's name tells the rows apart"
    assert "Paired differences: each less Digits LSTM\n" in re.sub(" +\n", "\n", text)


def test_rows_that_show_the_same_are_written_all_the_same(folder):
    comparison = compared(folder)
    (difference,) = comparison.differences
    same = replace(difference, key=difference.reference)

    text = to_markdown(replace(comparison, differences=(same,)), title="x")

    assert "each less Digits LSTM" in text


def test_csv_has_full_precision(folder):
    rows = list(csv.DictReader(to_csv(compared(folder)).splitlines()))

    assert float(rows[0]["test/accuracy/mean"]) == (0.95 + 0.97 + 0.96) / 3
    assert rows[1]["num_failed"] == "1"


def test_markdown_rows_have_as_many_cells_as_the_header(folder):
    text = to_markdown(compared(folder), title="x")
    failures = text.split("## Not done")[1].strip().splitlines()

    assert {line.replace("\\|", "").count("|") for line in failures} == {5}


def test_latex_is_escaped_and_balanced(folder):
    text = to_latex(compared(folder))

    assert r"96.00 $\pm$ 1.00" in text
    assert r"test/accuracy in \%" in text
    assert r"model.layer.forget\_bias" in text
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len({line.count(" & ") for line in lines}) == 1


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")
def test_latex_compiles(folder, tmp_path):
    document = r"\documentclass{article}\usepackage{booktabs}\begin{document}"
    (tmp_path / "t.tex").write_text(document + to_latex(compared(folder)) + r"\end{document}")

    done = subprocess.run(["pdflatex", "-halt-on-error", "t.tex"], cwd=tmp_path, check=False)

    assert done.returncode == 0


def test_the_command_writes_the_table_of_a_sweep_again(folder, capsys):
    code = run(["report", str(folder)])

    assert code == 0
    assert {path.suffix for path in folder.glob("sweep.*")} == {".csv", ".md", ".tex"}
    assert (folder / "report.html").is_file()
    assert "LSTM" in capsys.readouterr().out


OTHER_VIEWS = ["group=seed", "sort=seconds", "baselines=false", "where=seed=1"]


@pytest.mark.parametrize("option", OTHER_VIEWS)
def test_another_view_leaves_the_table_of_a_sweep_as_it_is(folder, option):
    (folder / "sweep.md").write_text("the whole table")

    assert run(["report", str(folder), option]) == 0

    assert (folder / "sweep.md").read_text() == "the whole table"


def test_the_command_compares_folders_from_anywhere(folder, capsys, tmp_path):
    places = [str(folder / "model-lstm_seed-1"), str(folder / "model-rnn_seed-1")]

    code = run(["report", *places, "baselines=false", "metric=val/accuracy", f"out={tmp_path}"])

    assert code == 0
    assert "0.475" in (tmp_path / "sweep.csv").read_text()


@pytest.mark.parametrize("arguments", [[], ["nowhere"], ["where=model"]])
def test_the_command_says_what_it_takes(arguments, capsys):
    assert run(["report", *arguments]) == 2
    assert "report takes folders" in capsys.readouterr().err


def test_a_metric_that_was_mistyped_is_told(folder, capsys):
    assert run(["report", str(folder), "sort=accurcy", "baselines=false"]) == 2
    assert "did you mean 'val/accuracy'" in capsys.readouterr().err


def test_a_run_in_each_row_has_no_spread(folder, capsys):
    assert run(["report", str(folder), "group=model,seed", "baselines=false"]) == 0
    assert "standard deviation over one run in each row" in capsys.readouterr().out


def test_a_folder_without_runs_is_refused(tmp_path, capsys):
    assert run(["report", str(tmp_path)]) == 2
    assert "no run in or under" in capsys.readouterr().err


def test_json_of_a_result_that_is_not_finite_is_no_score(tmp_path):
    write(tmp_path / "a", "seed=1", score=0.5)
    path = tmp_path / "a" / "result.json"
    result = json.loads(path.read_text())
    result["scores"]["test/loss"] = None
    path.write_text(json.dumps(result))

    (run_,) = read_runs([tmp_path])

    assert "test/loss" not in run_.scores

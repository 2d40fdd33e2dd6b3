"""Reports of ensembles and cross-validations: each is one run, with scores of its own."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from unrolled.cli import run
from unrolled.reports.report import report
from unrolled.reports.runs import read_runs

pytestmark = pytest.mark.usefixtures("undrawn_pages")

TINY = (
    *("trainer=cpu", "model.hidden_size=4", "trainer.max_epochs=1", "logger=none"),
    *("data=random", "data.source.num_train=24", "data.source.num_val=9", "data.source.num_test=9"),
    *("data.source.num_steps=3", "data.source.num_features=2", "data.source.num_classes=3"),
)
OPTIONS = {"metric": None, "sort": None, "group": [], "conditions": [], "folder": None}


@pytest.fixture(scope="module")
def folders(train_in: Callable[..., SimpleNamespace]) -> dict[str, Path]:
    words = {
        "ensemble": ("ensemble=[gru,rnn]",),
        "folds": ("data.test_fold=all", "data.num_folds=2", "test=false"),
    }
    return {name: train_in(*TINY, *more).folder.path for name, more in words.items()}


def test_each_compound_run_is_one_row_with_the_names_of_its_models(
    folders: dict[str, Path],
) -> None:
    comparison = report(list(folders.values()), **OPTIONS, with_baselines=False)

    assert [len(row.runs) for row in comparison.rows] == [1, 1]
    assert {row.key["model"] for row in comparison.rows} == {"gru+rnn", "LSTM"}


def test_a_cross_validation_is_compared_by_the_mean_over_its_folds_and_so_are_its_baselines(
    folders: dict[str, Path],
) -> None:
    comparison = report([folders["folds"]], **OPTIONS, with_baselines=True)
    (found,) = read_runs([folders["folds"]])

    assert comparison.metric == "cv/accuracy"
    assert comparison.rows[0].scores["cv/accuracy"].mean == found.scores["cv/accuracy"]
    assert len(comparison.baselines) == 2
    assert all(0 <= b.scores["cv/accuracy"].mean <= 1 for b in comparison.baselines)


def test_single_folds_are_one_row_and_all_folds_are_another(
    folders: dict[str, Path], train_in: Callable[..., SimpleNamespace]
) -> None:
    single = [
        train_in(*TINY, f"data.test_fold={n}", "data.num_folds=2", "test=false").folder.path
        for n in range(2)
    ]

    comparison = report([folders["folds"], *single], **OPTIONS, with_baselines=False)

    assert sorted(len(row.runs) for row in comparison.rows) == [1, 2]


def test_list_fits_a_narrow_terminal(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")

    assert run(["list", f"root={folders['folds']}"]) == 0

    lines = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out).splitlines()
    assert max(map(len, lines)) <= 100
    assert "cv acc" in "".join(lines)


@pytest.mark.usefixtures("undrawn_pages")
def test_a_sweep_over_compound_runs_does_each_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("-m", *TINY, "ensemble=2", "seed=1,2", f"hydra.sweep.dir={tmp_path}")

    assert run(["train", *words]) == 0

    results = [json.loads(path.read_text()) for path in tmp_path.glob("*/result.json")]
    assert sorted((r["seed"], len(r["members"])) for r in results) == [(1, 2), (2, 2)]
    capfd.readouterr()
    assert run(["train", *words, "sweep.keep=best"]) == 0
    assert capfd.readouterr().out.count("done before") == 2
    kept = {path.parents[1].parent.name for path in tmp_path.glob("*/member-1/checkpoints/*.ckpt")}
    assert len(kept) == 1, "the best run of the setting keeps its checkpoints"

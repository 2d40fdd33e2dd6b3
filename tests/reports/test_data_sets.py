"""Models by data sets: which runs share a cell, what is ranked, and how it is shown."""

import csv
import re
from dataclasses import replace
from pathlib import Path

import pytest

from reports.test_comparison import write
from unrolled.cli import run
from unrolled.data.sources.ucr_names import UCR
from unrolled.reports.comparison import compare
from unrolled.reports.data_set_tables import by_data_set_sheet, notes, pairs_sheet
from unrolled.reports.data_sets import DataSets, by_data_set
from unrolled.reports.published import SOURCES, published_scores
from unrolled.reports.runs import Run, read_runs
from unrolled.runs.run_folder import RunFolder

pytestmark = pytest.mark.usefixtures("undrawn_pages")

SETS = ("GunPoint", "Trace", "ArrowHead", "OSULeaf", "ACSF1", "Beef", "Car", "Coffee")


def a_run(model: str, name: str, score: float | None, *, seed: int = 1, **changes: object) -> Run:
    """Return a run that was never written to a folder."""
    settings = {
        "model._target_": f"unrolled.encoders.stacked.{model}",
        "data.source._target_": "unrolled.data.sources.ucr.Archive",
        "data.name": name,
        "data.standardize": "feature",
        "optimizer.lr": {"GRU": 0.01, "LSTM": 0.02}.get(model, 0.03),
        "trainer.max_epochs": len(name),  # as a recipe of the data
        "seed": seed,
        **{key.replace("__", "."): value for key, value in changes.items()},
    }
    return Run(
        path=Path("nowhere"),
        state="failed" if score is None else "done",
        exit_code=0,
        error="",
        settings=settings,
        scores={} if score is None else {"test/accuracy": score},
        best=None,
        data_name=name,
        baselines={},
        num_parameters=1,
        num_sequences={},
        seconds=1.0,
        data_fingerprint=name,
    )


def table_of(runs: list[Run], *, group: list[str] | None = None) -> DataSets:
    table = by_data_set(runs, metric="test/accuracy", group=group or [])
    assert table is not None
    return table


def grid(num_sets: int, *, better: float = 0.1) -> list[Run]:
    """Return two seeds of two models; GRU is better on every set."""
    return [
        a_run(model, name, 0.5 + number / 50 + seed / 100 + (better if model == "GRU" else 0.0),
              seed=seed)
        for number, name in enumerate(SETS[:num_sets])
        for model in ("LSTM", "GRU")
        for seed in (1, 2)
    ]  # fmt: skip


def means(table: DataSets, method: str) -> dict[str, float]:
    (found,) = [one for one in table.methods if one.name == method]
    return {name: summary.mean for name, summary in found.scores.items()}


def test_a_cell_is_the_mean_over_seeds() -> None:
    table = table_of(grid(2))

    assert table.names == ("GunPoint", "Trace")
    assert [one.name for one in table.ranked] == ["GRU", "LSTM"]
    assert means(table, "LSTM") == pytest.approx({"GunPoint": 0.515, "Trace": 0.535})
    assert table.methods[0].scores["Trace"].n == 2


def test_settings_that_follow_from_the_data_do_not_make_another_model() -> None:
    table = table_of(grid(3))

    assert {len(one.scores) for one in table.ranked} == {3}  # although max_epochs differ


def test_a_setting_that_differs_on_one_data_set_makes_another_model() -> None:
    runs = grid(2) + [replace(r, settings=r.settings | {"optimizer.lr": 0.5}) for r in grid(2)]

    names = [one.name for one in table_of(runs).ranked]

    assert sorted(names) == ["GRU, lr 0.01", "GRU, lr 0.5", "LSTM, lr 0.02", "LSTM, lr 0.5"]


@pytest.mark.parametrize("keep", ["model", "data set"])
def test_one_model_or_one_data_set_has_no_table(keep: str) -> None:
    kept = [
        one
        for one in grid(3)
        if (one.data_name == "Trace" if keep == "data set" else "GRU" in str(one.settings))
    ]

    assert by_data_set(kept, metric="test/accuracy", group=[]) is None


def test_a_model_that_ran_on_a_single_data_set_is_left_out() -> None:
    table = table_of([*grid(2), a_run("RNN", "Trace", 0.9)])

    assert [one.name for one in table.ranked] == ["GRU", "LSTM"]


def test_ranks_leave_out_data_sets_on_which_a_model_has_failed() -> None:
    failed = a_run("LSTM", "ArrowHead", None)
    table = table_of([*grid(2), a_run("GRU", "ArrowHead", 0.5), failed])

    assert table.names == ("ArrowHead", "GunPoint", "Trace")
    assert table.ranked_on == ("GunPoint", "Trace")
    assert "ArrowHead" not in means(table, "LSTM")


def test_a_model_without_any_score_does_not_take_the_ranks_of_others() -> None:
    table = table_of([*grid(2), a_run("RNN", "Trace", None), a_run("RNN", "GunPoint", None)])

    assert [one.name for one in table.ranked] == ["GRU", "LSTM"]
    assert means(table, "RNN") == {}


def test_with_one_complete_data_set_there_are_no_ranks() -> None:
    table = table_of([*grid(1), a_run("GRU", "Trace", 0.5), a_run("LSTM", "Trace", None)])

    assert table.ranked == ()
    assert "No ranks: they need two data sets" in " ".join(notes(table))
    assert len(by_data_set_sheet(table).rows) == 2


@pytest.mark.parametrize(("num_sets", "is_shown"), [(5, False), (6, True)])
def test_a_difference_is_shown_from_six_data_sets_on(num_sets: int, is_shown: bool) -> None:
    table = table_of(grid(num_sets))  # 2 / 2^5 = 0.0625, 2 / 2^6 = 0.03125

    (pair,) = table.pairs
    assert (pair.first, pair.wins, pair.differs) == ("GRU", num_sets, is_shown)
    assert table.groups == ()
    text = " ".join(notes(table))
    assert ("No difference can be shown with 5 data sets" in text) != is_shown
    assert ("2 models need 6 data sets" in text) != is_shown
    assert (pairs_sheet(table).rows[0][-1] == "shown") == is_shown


def test_models_that_cannot_be_told_apart_are_a_group() -> None:
    runs = [
        one if number % 3 else replace(one, scores={"test/accuracy": 0.9})
        for number, one in enumerate(grid(8))
    ]

    assert table_of(runs).groups == (("GRU", "LSTM"),)


def test_files_of_one_name_are_told_apart() -> None:
    runs = [
        a_run(model, "train", score, data__path=f"{folder}/train.csv", data__name=None)
        for model, score in (("GRU", 0.5), ("LSTM", 0.4))
        for folder in "ab"
    ]

    assert table_of(runs).names == ("train, path a/train.csv", "train, path b/train.csv")


def test_a_group_makes_the_models() -> None:
    table = table_of(grid(2), group=["optimizer.lr"])

    assert [one.name for one in table.ranked] == ["lr 0.01", "lr 0.02"]


def test_only_the_main_baseline_is_ranked_and_only_if_it_is_complete() -> None:
    baselines = {"majority class": 0.1, "1-NN": 0.8, "MiniRocket": 0.95}
    runs = [replace(one, baselines=baselines) for one in grid(2)]
    partly = [replace(r, baselines=baselines if r.data_name == "Trace" else {}) for r in grid(3)]

    ranked = [one.name for one in table_of(runs).ranked]
    others = [one.name for one in table_of(runs).methods if one.kind == "baseline"]

    assert ranked == ["MiniRocket (baseline)", "GRU", "LSTM"]
    assert others == ["MiniRocket (baseline)", "majority class (baseline)", "1-NN (baseline)"]
    assert [one.name for one in table_of(partly).ranked] == ["GRU", "LSTM"]


def test_published_scores_stand_next_to_ours_and_are_not_ranked() -> None:
    table = table_of(grid(2))

    published = {one.name: one for one in table.methods if one.kind == "published"}
    assert means(table, "LSTM-FCN (published)") == {"GunPoint": 1.0, "Trace": 0.25}
    assert published.keys() == {f"{name} (published)" for name in SOURCES}
    assert all(one.mean_rank is None for one in published.values())
    assert "Karim et al. 2018" in " ".join(notes(table))


@pytest.mark.parametrize(
    "change", [{"data.test_fold": 0}, {"data.window.size": 5}, {"data.name": None}]
)
def test_another_test_set_has_no_published_scores(change: dict[str, object]) -> None:
    runs = [replace(one, settings=one.settings | change) for one in grid(2)]
    if "data.name" in change:
        runs = [replace(r, settings=r.settings | {"data.path": r.data_name}) for r in runs]

    assert {one.kind for one in table_of(runs).methods} == {"model"}


def test_published_scores_are_the_ones_that_the_documents_cite() -> None:
    page = (Path(__file__).parents[2] / "docs" / "results.md").read_text()
    (rows,) = re.findall(r"\| InceptionTime \| LSTM-FCN \|\n\|[-| ]*\n((?:\|.*\n)+)", page)
    scores = published_scores()

    cited = 0
    for row in rows.splitlines():
        name, *_, inception_time, lstm_fcn = (cell.strip(" *") for cell in row.split("|")[1:-1])
        for method, cell in (("InceptionTime", inception_time), ("LSTM-FCN", lstm_fcn)):
            cited += bool(cell)
            assert (f"{100 * scores[method][name]:.1f}" if cell else "") == cell
    assert cited == 12
    assert {name for by_set in scores.values() for name in by_set} == UCR


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of two models, two seeds and two data sets."""
    return write_sweep(tmp_path_factory.mktemp("sweep"))


def write_sweep(root: Path) -> Path:
    """Write runs of two models with two seeds on two data sets, one with a hostile name."""
    names = {"GunPoint": 0.9, "a_b": 0.8}
    for name, base in names.items():
        data = ["data=ucr", f"data.name={name}"]
        if name == "a_b":
            data = ["data=files", f"data.path='{root}/<b>a_b$&.csv'"]
        for model, gain in (("gru", 0.01), ("lstm", 0.0)):
            for seed in (1, 2):
                path = root / f"{name}-{model}-{seed}"
                words = [*data, f"model={model}", f"seed={seed}"]
                write(path, *words, score=base + gain + seed / 100)
                _record(path, words, fingerprint=name)
    (root / "multirun.yaml").touch()
    return root


def _record(path: Path, words: list[str], *, fingerprint: str) -> None:
    run_folder = RunFolder(path)
    run_folder.write_provenance({"overrides": words})
    result = run_folder.result()
    assert result is not None
    baselines = {"MiniRocket": 0.85}
    run_folder.write_result(replace(result, baselines=baselines, data_fingerprint=fingerprint))


def test_the_sweep_ends_with_the_table_in_every_format(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", str(folder), "baselines=false", f"out={tmp_path}"]) == 0

    text = capsys.readouterr().out
    assert text.index("Results") < text.index("Models by data sets: test/accuracy in %")
    assert "No difference can be shown with 2 data sets" in text
    markdown = (tmp_path / "sweep.md").read_text()
    assert "| GunPoint | 92.50 | 85.00 | 91.50 |" in markdown
    assert "| wins/ties/losses |  | 1/0/1 | 0/0/2 |" in markdown
    assert r"\<b\>a_b$\&" in markdown
    latex = (tmp_path / "data_sets.tex").read_text()
    assert r"\textless{}b\textgreater{}a\_b\$\& & 82.50 & 85.00 & 81.50 &" in latex
    assert latex.count(r"\midrule") == 2
    with (tmp_path / "data_sets.csv").open(newline="") as file:
        rows = {(row["data set"], row["method"]): row for row in csv.DictReader(file)}
    assert float(rows["GunPoint", "GRU"]["mean"]) == pytest.approx(0.925)
    assert rows["GunPoint", "GRU"]["n"] == "2"
    assert rows["GunPoint", "FCN (published)"]["ranked"] == "False"


def test_the_page_begins_with_the_data_sets(folder: Path, tmp_path: Path) -> None:
    assert run(["report", str(folder), "baselines=false", f"out={tmp_path}"]) == 0

    page = (tmp_path / "report.html").read_text()
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert headings[:3] == ["Models by data sets", "Pairs of models on 2 data sets", "Results"]
    (text,) = re.findall(r'<p class="result">(.*?)</p>', page)
    assert text.startswith("GRU has the best mean rank, 1.50 of 3 over 2 data sets. No difference")
    assert "<b>a_b" not in page
    assert "no difference can be shown with so few" in page
    assert "Archive" not in page


def test_differences_are_taken_within_each_data_set(folder: Path) -> None:
    comparison = compare(
        read_runs([folder]), metric=None, group=[], sort=None, baseline_scores=None
    )

    assert [row.key["data"] for row in comparison.rows] == ["<b>a_b$&"] * 2 + ["GunPoint"] * 2
    assert "data.name" not in comparison.columns
    assert "data.path" not in comparison.columns
    assert [(d.key["data"], d.key["model"]) for d in comparison.differences] == [
        ("<b>a_b$&", "LSTM"),
        ("GunPoint", "LSTM"),
    ]
    assert all(d.reference["data"] == d.key["data"] for d in comparison.differences)
    assert [d.summary.mean for d in comparison.differences] == pytest.approx([-0.01, -0.01])

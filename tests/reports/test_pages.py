"""report.html of a run and of a sweep: its content, and how Chromium shows it."""

import csv
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from browser import Browser, chromium
from conftest import pages_undrawn
from reports.test_comparison import write
from reports.test_data_sets import a_run, write_sweep
from unrolled.cli import run
from unrolled.reports.comparison import Comparison, compare
from unrolled.reports.formats import sheets
from unrolled.reports.pages.colours import COLOURS, css_variables
from unrolled.reports.pages.page import (
    MAX_CHARACTERS,
    MAX_ROWS,
    Cell,
    Grid,
    Page,
    Section,
    render,
)
from unrolled.reports.pages.run_page import write_run_page
from unrolled.reports.pages.search import read_search
from unrolled.reports.pages.sections.failures import failures
from unrolled.reports.pages.sweep_figures import log_ticks
from unrolled.reports.pages.sweep_page import write_sweep_page
from unrolled.reports.runs import read_runs
from unrolled.runs.run_folder import RunFolder

HOSTILE = "<script>document.title='owned'</script>$\\frac{$\x1b[31m<img src=x onerror=alert(1)>"
CLASSES = (HOSTILE, "b & c", "c")
MAX_BYTES = 2_000_000


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run on a file with hostile names, sequences of different lengths and some mistakes."""
    path = tmp_path_factory.mktemp("page")
    rng = np.random.default_rng(0)
    rows = [
        (f"{number} {HOSTILE}", CLASSES[number % 3], value)
        for number in range(60)
        for value in rng.normal(loc=number % 3, size=3 + number % 5)
    ]
    pd.DataFrame(rows, columns=["id", "label", "x"]).to_csv(path / "data.csv", index=False)
    words = ["data=files", f"data.path={path / 'data.csv'}", "data.id=id", "data.label=label"]
    words += ["recipe=own", "model.hidden_size=4", "trainer.max_epochs=2", "data.test_size=15"]
    words += ["data.val_size=9", "data.baselines=false", "seed=3", "~callbacks.tensorboard_views"]
    assert run(["train", *words, f"hydra.run.dir={path / 'run'}"]) == 0
    return RunFolder(path / "run")


@pytest.fixture(scope="module")
def run_page(trained: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the run, with empty pictures."""
    out = tmp_path_factory.mktemp("unrendered")
    with pages_undrawn():
        assert run(["report", str(trained.path), "baselines=false", f"out={out}"]) == 0
    return out / "report.html"


@pytest.fixture(scope="module")
def drawn_run_page(trained: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a copy of the run, with the sections of `unrolled explain`."""
    folder = tmp_path_factory.mktemp("explained") / "run"
    shutil.copytree(trained.path, folder)
    words = ["num_sequences=6", "num_positions=3", "num_examples=3"]
    assert run(["explain", f"run={folder}", *words]) == 0
    return folder / "report.html"


def sections(page: Path) -> dict[str, str]:
    """Return the sections of a page by heading."""
    parts = re.split(r"<h2>(.*?)</h2>", page.read_text(encoding="utf-8"))
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_page_of_a_run_has_every_section(run_page: Path) -> None:
    assert list(sections(run_page)) == [
        "Scores of the chosen epoch",
        "Training",
        "Classes in the test set",
        "Confidence in the test set",
        "Worst mistakes",
        "Data",
        "Settings that differ from the defaults",
        "Command",
        "Provenance",
    ]


def test_the_title_names_the_file_of_the_data(trained: RunFolder, run_page: Path) -> None:
    (title,) = re.findall(r"<h1>(.*?)</h1>", run_page.read_text())
    assert f" on {Path(trained.config().data.path).stem}, seed" in title


def test_the_first_sentence_has_the_result_and_its_interval(
    trained: RunFolder, run_page: Path
) -> None:
    result = trained.result()
    assert result is not None
    accuracy = result.scores["test/accuracy"]
    assert accuracy is not None
    (text,) = re.findall(r'<p class="result">(.*?)</p>', run_page.read_text())

    # the interval of Wilson (1927), eq. 1, at z = 1.96
    z, n = 1.959964, 15
    middle = (accuracy + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * (accuracy * (1 - accuracy) / n + z**2 / (4 * n**2)) ** 0.5
    assert f"{100 * accuracy:.1f} % of 15 test sequences" in text
    assert f"interval {100 * (middle - half):.1f} to {100 * (middle + half):.1f} %" in text


def test_the_predictions_of_the_page_are_the_ones_of_the_test(trained: RunFolder) -> None:
    from unrolled.prediction.held_out import classify_held_out

    result = trained.result()
    assert result is not None

    found = classify_held_out(trained, split="test", num_mistakes=4)

    assert found.is_right.mean() == pytest.approx(result.scores["test/accuracy"])
    assert np.bincount(found.labels).tolist() == [sum(row) for row in result.confusion or []]
    probabilities = [one.probability for one in found.mistakes]
    assert len(probabilities) == 4
    assert probabilities == sorted(probabilities)
    file = pd.read_csv(trained.config().data.path)
    for one in found.mistakes:
        rows = file[file.id == one.name]
        assert one.values[:, 0] == pytest.approx(rows.x.to_numpy(), abs=1e-5)  # in its units
        assert set(rows.label) == {result_classes(trained)[one.label]}
        assert one.label != one.predicted


def result_classes(folder: RunFolder) -> list[str]:
    names: list[str] = folder.preprocessing()["class_names"]
    return names


@pytest.mark.slow
def test_pictures_are_also_files(drawn_run_page: Path) -> None:
    run_page = drawn_run_page
    names = {path.stem for path in run_page.parent.glob("figures/*.svg")}

    assert {"curves-loss", "confusion", "reliability", "by-length", "mistake-1"} <= names
    assert {"explain-gradients", "explain-forgetting", "explain-saturation"} <= names
    assert {"explain-early", "explain-occlusion-3"} <= names
    assert names == {path.stem for path in run_page.parent.glob("figures/*.png")}
    for name in names:
        ElementTree.parse(run_page.parent / f"figures/{name}.svg")
        png = run_page.parent / f"figures/{name}.png"
        assert png.read_bytes().startswith(b"\x89PNG")
        assert png.stat().st_mode & 0o077 == 0  # shows the data, as the page does


@pytest.mark.slow
def test_the_same_run_gives_the_same_page(drawn_run_page: Path) -> None:
    before = drawn_run_page.read_text()

    write_run_page(RunFolder(drawn_run_page.parent), drawn_run_page.parent)

    assert drawn_run_page.read_text() == before


@pytest.mark.usefixtures("undrawn_pages")
def test_a_page_without_the_data_gives_the_reason(trained: RunFolder, tmp_path: Path) -> None:
    data = Path(trained.config().data.path)
    moved = data.rename(data.with_name("moved.csv"))
    try:
        page = write_run_page(trained, tmp_path)
    finally:
        moved.rename(data)

    found = sections(page)
    assert "there is no such file" in found["Confidence and mistakes"]
    assert "Classes in the test set" in found  # from result.json


@pytest.mark.usefixtures("undrawn_pages")
def test_changed_data_is_not_evaluated(trained: RunFolder, tmp_path: Path) -> None:
    data = Path(trained.config().data.path)
    text = data.read_text()
    try:
        data.write_text(re.sub(r",[\d.-]+\n", ",7.5\n", text, count=1))
        page = write_run_page(trained, tmp_path)
    finally:
        data.write_text(text)

    assert "the data has changed since the run" in sections(page)["Confidence and mistakes"]


@pytest.mark.usefixtures("undrawn_pages")
def test_the_page_of_a_failed_run_has_the_reason_and_the_end_of_the_log(tmp_path: Path) -> None:
    write(tmp_path / "run", "model=rnn", error="loss is nan <b>")
    (tmp_path / "run/train.log").write_text("first\n" * 100 + "last <b> line\n")

    page = write_run_page(RunFolder(tmp_path / "run"), tmp_path).read_text()

    assert "exit code 5: loss is nan &lt;b&gt;" in page
    assert "last &lt;b&gt; line" in page
    assert page.count("first\n") < 50


# sweeps


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of two models and three seeds, and a job that failed."""
    root = tmp_path_factory.mktemp("sweep")
    scores = {"lstm": (0.95, 0.97, 0.96), "rnn": (0.90, 0.93, 0.92)}
    for model, values in scores.items():
        for seed, score in enumerate(values, start=1):
            path = root / f"model-{model}_seed-{seed}"
            write(path, f"model={model}", f"seed={seed}", score=score)
            _add(path, model=model, seed=seed, score=score)
    write(root / "model-gru_seed-1", "model=gru", "seed=1", error=HOSTILE)
    (root / "model-gru_seed-1/output.log").write_text(f"begin\n{HOSTILE}\nthe last line\n")
    (root / "multirun.yaml").touch()
    return root


def _add(path: Path, *, model: str, seed: int, score: float) -> None:
    """Add what a run of a sweep has besides its result."""
    words = [f"model={model}", f"seed={seed}"]
    (path / "provenance.json").write_text(json.dumps({"overrides": words}))
    with (path / "metrics.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", "step", "val/accuracy", "val/loss"])
        writer.writerows([epoch, 10 * epoch, score / 2 + epoch / 100, 1] for epoch in range(3))
    folder = RunFolder(path)
    result = folder.result()
    assert result is not None
    parameters = 1000 if model == "rnn" else 4000
    folder.write_result(replace(result, num_parameters=parameters))


@pytest.fixture(scope="module")
def sweep_page(sweep: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the sweep, with empty pictures."""
    with pages_undrawn():
        return write_page_of(sweep, tmp_path_factory.mktemp("unrendered"))


@pytest.fixture(scope="module")
def drawn_sweep_page(sweep: Path) -> Path:
    """The page of the sweep."""
    return write_page_of(sweep, sweep)


@pytest.fixture(scope="module")
def drawn_data_sets_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a sweep over two data sets."""
    folder = write_sweep(tmp_path_factory.mktemp("data_sets"))
    return write_page_of(folder, folder)


def write_page_of(sweep: Path, out: Path) -> Path:
    return write_sweep_page(comparison_of(sweep), out, name=sweep.name)


def comparison_of(sweep: Path) -> Comparison:
    return compare(
        read_runs([sweep]),
        metric=None,
        group=[],
        sort=None,
        baseline_scores=lambda _: {"majority class": {"test/accuracy": 0.9}},
    )


def test_the_score_comes_first_and_only_the_typed_setting_follows(sweep_page: Path) -> None:
    table = sections(sweep_page)["Results"]
    header = re.findall(r"<button type=\"button\">(.*?)</button>", table)
    rows = re.findall(r"<tr>(<td.*?)</tr>", table)

    assert header == [
        *("test/accuracy in %", "95 % interval", "n", "setting", "val/accuracy in %"),
        *("parameters", "time", "failed"),
    ]
    assert [re.findall(r">([^<]*)</td>", row)[3] for row in rows] == [
        *("LSTM", "RNN", "GRU", "baseline: majority class")
    ]
    assert "optimizer.lr" in sections(sweep_page)["Other settings that differ"]


def test_the_first_sentence_names_the_winner_and_how_certain_it_is(sweep_page: Path) -> None:
    (text,) = re.findall(r'<p class="result">(.*?)</p>', sweep_page.read_text())

    assert text.startswith("LSTM has the best mean test accuracy, 96.00 % over 3 runs")
    assert "It is better than the other setting" in text  # -5, -4, -4: t = -13


def test_a_failure_has_the_end_of_its_log(sweep_page: Path) -> None:
    text = sections(sweep_page)["Runs that are not done: 1"]

    assert "exit code 5" in text
    assert "the last line" in text


def test_a_sweep_has_a_figure_for_each_question(sweep_page: Path) -> None:
    titles = re.findall(r"<figcaption>(.*?)</figcaption>", sweep_page.read_text())

    assert [title.split(":")[0] for title in titles] == [
        "every run (dots), and the mean with its 95 % interval (line)",
        "val/accuracy by epoch",
        "test/accuracy against parameters, with 95 % intervals",
        "paired differences from the first setting, with 95 % intervals",
    ]


def test_without_a_validation_set_the_curves_are_those_of_training(
    sweep: Path, tmp_path: Path
) -> None:
    shutil.copytree(sweep, tmp_path / "sweep")
    for path in (tmp_path / "sweep").glob("*/metrics.csv"):
        path.write_text(path.read_text().replace("val/", "train/"))
    for folder in map(RunFolder, (tmp_path / "sweep").glob("model-*")):
        if (result := folder.result()) is not None:
            result.scores.pop("val/accuracy", None)
            folder.write_result(result)
    with pages_undrawn():
        page = write_page_of(tmp_path / "sweep", tmp_path)

    assert "<figcaption>train/accuracy by epoch" in page.read_text()
    assert "val/accuracy" not in page.read_text()
    assert "val/accuracy" not in sheets(comparison_of(tmp_path / "sweep"))[0].header


@pytest.mark.parametrize("ends", [(1000, 2300), (0.4, 900), (3e4, 8e4), (2, 3e9)])
def test_a_logarithmic_axis_has_three_to_six_ticks(ends: tuple[float, float]) -> None:
    ticks = log_ticks(*ends)

    assert 3 <= len(ticks) <= 6
    assert ticks == sorted(tick for tick in ticks if ends[0] <= tick <= ends[1])


@pytest.mark.slow
def test_a_search_shows_its_history_and_the_importance_of_settings(tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna")
    pool = pytest.importorskip("sqlalchemy.pool").NullPool  # no connection stays open
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.RDBStorage(
        f"sqlite:///{tmp_path}/study.db", engine_kwargs={"poolclass": pool}
    )
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(storage=storage, study_name="search", sampler=sampler)
    study.optimize(
        lambda trial: trial.suggest_float("a", 0, 1) + 0.01 * trial.suggest_float("b", 0, 1),
        n_trials=12,
    )
    values, best = [trial.value for trial in study.trials], study.best_value
    storage.remove_session()
    storage.engine.dispose()

    found = read_search(tmp_path, metric="val/loss")

    assert found is not None
    assert list(found.values.values()) == values
    assert list(found.best_so_far.values())[-1] == best
    assert list(found.importance) == ["a", "b"]
    assert found.importance["a"] > 0.8


def test_a_folder_without_a_search_or_with_a_damaged_one_has_none(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    assert read_search(tmp_path, metric="val/loss") is None

    (tmp_path / "study.db").write_text("no database")

    assert read_search(tmp_path, metric="val/loss") is None


@pytest.mark.slow
@pytest.mark.parametrize(("baselines", "imported"), [("false", []), ("true", ["torch"])])
def test_the_report_of_a_sweep_imports_neither_lightning_nor_without_baselines_torch(
    baselines: str, imported: list[str], sweep: Path
) -> None:
    words = ["report", str(sweep), f"baselines={baselines}", f"out={sweep}/out"]
    code = (
        f"import sys; from unrolled.cli import run; assert run({words!r}) == 0; "
        f"assert sorted({{'torch', 'lightning'}} & sys.modules.keys()) == {imported}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")
    assert (sweep / "out/report.html").is_file()


# every page


def test_a_long_table_is_cut(tmp_path: Path) -> None:
    rows = [[Cell(f"row {number}")] for number in range(MAX_ROWS + 7)]
    table = Grid(["name"], rows, last=[[Cell("the baseline")]], file="sweep.csv")
    page = Page("title", "result", {}, [Section("table", tables=[table])])

    text = render(page)

    assert f"The first {MAX_ROWS} of {MAX_ROWS + 7} rows. The file sweep.csv has all" in text
    assert f"row {MAX_ROWS - 1}<" in text
    assert f"row {MAX_ROWS}<" not in text
    assert ">the baseline<" in text


@pytest.mark.parametrize("text", ["0.123456", "<&" * 40], ids=["numbers", "signs"])
def test_a_wide_table_is_cut_to_its_share_of_the_page(text: str) -> None:
    rows = [[Cell(text, 0.12345678901234567)] * 40] * MAX_ROWS
    table = Grid(["name"] * 40, rows)

    page = render(Page("title", "result", {}, [Section("table", tables=[table])]))

    assert 1 <= page.count("<tr><td") < MAX_ROWS
    assert f"of {MAX_ROWS} rows." in page
    assert len(page) < 1.4 * MAX_CHARACTERS


def test_long_logs_of_many_failures_are_cut_to_their_share_of_the_page(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}/output.log").write_text(("<" * 400 + "\n") * 25)
    run = a_run("GRU", "Trace", None)
    found = [replace(run, path=path) for path in sorted(tmp_path.iterdir())]

    (section,) = failures(SimpleNamespace(failures=found))  # type: ignore[arg-type]

    assert section.title == "Runs that are not done: 6"
    assert [log.title for log in section.logs] == ["0", "1", "2"]  # each has 40,000 characters
    assert section.notes == ["The first 3 of 6. The file sweep.md has all reasons."]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["drawn_run_page", "drawn_sweep_page"])
def test_hostile_names_are_text(kind: str, request: pytest.FixtureRequest) -> None:
    page = request.getfixturevalue(kind)
    text = page.read_text(encoding="utf-8")

    assert len(text.encode()) <= MAX_BYTES
    assert text.count("<script>") == 1  # sorts the tables
    assert "<img src=x" not in text
    assert "\x1b" not in text
    assert "&lt;script&gt;" in text


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour #rrggbb (WCAG 2.2)."""
    shares = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    brighter, darker = sorted([luminance(one), luminance(other)], reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_lines_can_be_read(scheme: str) -> None:
    light, dark = css_variables().split("@media")
    block = {"light": light, "dark": dark}[scheme]
    colours = dict(re.findall(r"--([\w-]+):(#[0-9a-f]{6})", block))
    assert colours.keys() == COLOURS.keys()

    for name in ("text", "muted", "link", "series-5"):  # the last one is the reason of a failure
        assert contrast(colours[name], colours["page"]) >= 4.5, name
    assert contrast(colours["text"], colours["panel"]) >= 4.5
    for name in colours.keys() - {"page", "panel", "grid"}:
        assert contrast(colours[name], colours["page"]) >= 3, name


def test_page_css_has_no_other_colours() -> None:
    from unrolled.reports.pages.page import TEMPLATES

    assert not re.search(r"#[0-9a-f]{3,8}\b|rgb|hsl", (TEMPLATES / "page.css").read_text())


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory):
    """A tab of Chromium."""
    binary = chromium()
    if binary is None:
        pytest.skip("Chromium is not installed")
    found = Browser(binary, profile=tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


# Every visible text: what it is, its colour, and the colour of the page or panel below it.
TEXTS = """
(() => {
  const below = element => {
    const colour = element ? getComputedStyle(element).backgroundColor : "rgb(255, 255, 255)";
    return colour === "rgba(0, 0, 0, 0)" ? below(element.parentElement) : colour;
  };
  const has_text = element => [...element.childNodes].some(n => n.nodeType === 3 && n.data.trim());
  return [...document.querySelectorAll("body *:not(script)")].filter(has_text).map(element => {
    const style = getComputedStyle(element);
    const colour = element.closest("svg") ? style.fill : style.color;
    return [element.tagName + " " + element.textContent.slice(0, 30), colour, below(element)];
  });
})()
"""


def hexadecimal(colour: str) -> str:
    """Return a colour rgb(r, g, b) as #rrggbb."""
    match = re.fullmatch(r"rgb\((\d+), (\d+), (\d+)\)", colour)
    assert match is not None, colour
    return "#{:02x}{:02x}{:02x}".format(*map(int, match.groups()))


@pytest.mark.slow
@pytest.mark.parametrize("is_dark", [False, True])
@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("kind", ["drawn_run_page", "drawn_sweep_page", "drawn_data_sets_page"])
def test_chromium_shows_the_page(
    kind: str, width: int, is_dark: bool, browser: Browser, request: pytest.FixtureRequest
) -> None:
    page = request.getfixturevalue(kind)

    browser.open(page, width=width, is_dark=is_dark)

    assert browser.problems == []
    assert browser.requests == [page.as_uri()]
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate("document.title") != "owned"
    assert browser.evaluate("document.scripts.length") == 1
    sizes = browser.evaluate(
        "[...document.querySelectorAll('figure')].map(f => [...f.querySelectorAll('svg, img')]"
        ".map(p => p.tagName === 'IMG' ? p.naturalWidth : p.getBBox().width)[0])"
    )
    assert len(sizes) >= 3
    assert min(sizes) > 50
    background = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(13, 17, 23)" if is_dark else "rgb(255, 255, 255)")
    texts = browser.evaluate(TEXTS)
    assert any(name.startswith("text ") for name, *_ in texts)  # in a picture
    for name, *colours in texts:
        assert contrast(*map(hexadecimal, colours)) >= 4.5, (name, colours)


@pytest.mark.slow
def test_a_click_sorts_a_table(drawn_sweep_page: Path, browser: Browser) -> None:
    browser.open(drawn_sweep_page, width=1400)
    first = "document.querySelector('table.sortable tbody td').textContent"
    before = browser.evaluate(first)

    browser.evaluate("document.querySelector('table.sortable th button').click()")

    assert before.startswith("96.00")
    assert browser.evaluate(first).startswith("90.00")
    assert browser.evaluate("document.querySelector('th[aria-sort]').ariaSort") == "ascending"

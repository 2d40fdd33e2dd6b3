"""`unrolled.train` and `unrolled.resume` on arrays in one process."""

import logging
import os
import pickle
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import unrolled
from conftest import pages_undrawn
from unrolled.api.finished_run import FinishedRun
from unrolled.cli import run as command_line
from unrolled.errors import CheckpointError, ConfigError, DataError
from unrolled.explaining.explanation import read_explanation
from unrolled.prediction.kept_predictions import read_held_out
from unrolled.runs.run_folder import RunFolder

rng = np.random.default_rng(0)
X = rng.normal(size=(24, 6, 2))
Y = np.array(["a", "b"] * 12)
TEST = (X[:6] + 1, Y[:6])
SHORT = ["recipe=own", "model.hidden_size=4", "logger=none", "data.baselines=false"]
SHORT += ["trainer.max_epochs=1", "callbacks.progress.style=lines"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_on_arrays_stores_no_array_and_resumes_with_the_same_ones(folder: Path) -> None:
    run = unrolled.train(SHORT, data=(X, Y), test=TEST)

    assert run.test_accuracy == run.scores["test/accuracy"]
    assert run.result.data_fingerprint
    assert os.fspath(run) == str(run.path)
    assert (run / "config.yaml").is_file()
    assert str(pickle.loads(pickle.dumps(run))) == str(run)
    value = X[0, 0].astype(np.float32).tobytes()
    files = [path for path in run.path.rglob("*") if path.is_file()]
    assert not [path for path in files if value in path.read_bytes()]

    with pytest.raises(DataError, match=r"unrolled\.resume\(run, data=\(x, y\)\)"):
        unrolled.resume(run, ["trainer.max_epochs=2"])
    with pytest.raises(CheckpointError, match="data_fingerprint"):
        unrolled.resume(run, ["trainer.max_epochs=2"], data=(X + 1, Y), test=TEST)
    longer = unrolled.resume(run, ["trainer.max_epochs=2"], data=(X, Y), test=TEST)

    assert longer.result.num_epochs == 2
    whole = unrolled.train([*SHORT, "trainer.max_epochs=2"], data=(X, Y), test=TEST)
    assert whole.test_loss == longer.test_loss
    assert unrolled.load(whole).predict(X).labels == unrolled.load(longer).predict(X).labels


@pytest.mark.parametrize("examples", [0, 2])
def test_a_run_on_arrays_keeps_the_sequences_that_its_report_draws(
    examples: int, folder: Path
) -> None:
    labels = np.roll(TEST[1], 1)  # the opposite ones: about half are mistakes
    words = [*SHORT, f"report.examples={examples}"]

    run = unrolled.train(words, data=(X, Y), test=(TEST[0], labels))

    kept = read_held_out(run / "held_out.npz")
    predicted = unrolled.load(run).predict(TEST[0])
    assert kept.probabilities == pytest.approx(predicted.probabilities, abs=1e-6)
    assert [predicted.class_names[number] for number in kept.labels] == labels.tolist()
    assert len(kept.mistakes) == min(examples, int((~kept.is_right).sum()))
    for one in kept.mistakes:
        assert (np.abs(TEST[0] - one.values).max(axis=(1, 2)) < 1e-5).sum() == 1
    with pages_undrawn():
        assert command_line(["report", str(run), "baselines=false"]) == 0
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "has no predictions" not in page
    assert "Every sequence is classified correctly" not in page
    assert (f"{examples} of " in page) == (examples > 0)


@pytest.fixture(scope="module")
def on_arrays(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """A run with a test set, in the folder outputs of a new folder."""
    with chdir(tmp_path_factory.mktemp("on_arrays")):
        return unrolled.train(SHORT, data=(X, Y), test=TEST)


def test_new_arrays_are_scored_as_the_test_set_was(
    on_arrays: FinishedRun, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    run = on_arrays
    monkeypatch.chdir(next(path for path in run.path.parents if path.name == "outputs").parent)

    scores = unrolled.evaluate(run, data=TEST)

    assert scores.num == len(TEST[1])
    assert scores.accuracy == pytest.approx(run.test_accuracy)
    assert scores.loss == pytest.approx(run.test_loss)
    assert scores.f1 == pytest.approx(run.test_f1)
    assert scores.confusion.tolist() == run.result.confusion
    assert unrolled.evaluate(run, data=list(zip(*TEST, strict=True))).loss == scores.loss
    padded = np.pad(TEST[0], ((0, 0), (0, 3), (0, 0)))
    assert unrolled.evaluate("latest", data=(padded, Y[:6]), lengths=[6] * 6).loss == scores.loss
    with pytest.raises(DataError, match="the class 'c' does not occur"):
        unrolled.evaluate(run, data=(X[:1], ["c"]))
    with pytest.raises(DataError, match="data has the features '0', but"):
        unrolled.evaluate(run, data=(X[:, :, 0], Y))
    with pytest.raises(DataError, match="strict=true refuses them"):
        unrolled.evaluate(run, data=(X * 1e6, Y), strict=True)

    assert command_line(["evaluate", f"run={run}"]) == 2
    assert f'unrolled.evaluate("{run}", data=(x, y)) in Python' in capsys.readouterr().err


def test_a_run_on_arrays_is_explained_with_the_same_arrays(
    on_arrays: FinishedRun, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["split=test", "num_sequences=6", "num_positions=2", "num_examples=1"]
    with pages_undrawn():
        found = unrolled.explain(on_arrays, words, data=(X, Y), test=TEST)

    assert found.early is not None
    assert found.early.accuracy[-1] == pytest.approx(on_arrays.test_accuracy)
    assert read_explanation(RunFolder(on_arrays.path)) == found
    assert "<h2>Early decision</h2>" in (on_arrays / "report.html").read_text(encoding="utf-8")
    assert "95 % of the final accuracy" in capsys.readouterr().out
    with pytest.raises(DataError, match=f"and was {on_arrays.result.data_fingerprint}"):
        unrolled.explain(on_arrays, words, data=(X + 1, Y), test=TEST)
    with pytest.raises(ConfigError, match="explain takes split, num_sequences"):
        unrolled.explain(on_arrays, ["run=latest"], data=(X, Y), test=TEST)
    assert command_line(["explain", f"run={on_arrays}"]) == 2
    assert f'unrolled.explain("{on_arrays}", data=(x, y)) in Python' in capsys.readouterr().err


def test_a_run_on_a_table_is_scored_on_a_table_and_on_arrays(folder: Path) -> None:
    """The scores are those of the command on the same file."""
    table = pd.DataFrame(
        [
            (f"s{row:02d}", step, *X[row, step], Y[row], row // 6)
            for row in range(24)
            for step in range(6)
        ],
        columns=["id", "t", "v", "w", "kind", "patient"],
    )
    named = ["data.id=id", "data.time=t", "data.label=kind", "data.group=patient"]
    run = unrolled.train([*SHORT, *named, "data.test_size=0"], data=table)
    new = table.drop(columns="patient").head(60)

    scores = unrolled.evaluate(run, data=new)

    assert scores.num == 10
    assert unrolled.evaluate(run, data=(X[:10], Y[:10])).loss == pytest.approx(scores.loss)
    new.to_csv("new.csv", index=False)
    blocks = unrolled.load(run).classify_labelled(Path("new.csv"))
    assert [block.classes.tolist() for block in blocks] == [[0, 1] * 5]
    assert f"accuracy={scores.accuracy:.4g}" in repr(scores)


@pytest.mark.parametrize("devices", ["2", "auto", "[0,1]"])
def test_arrays_are_not_trained_on_several_devices(devices: str, folder: Path) -> None:
    words = ["recipe=own", f"trainer.devices={devices}"]
    message = "arrays are in the memory of one process; use trainer.devices=1"

    with pytest.raises(ConfigError, match=message):
        unrolled.train([*SHORT, *words], data=(X, Y))
    with pytest.raises(ConfigError, match=message):
        unrolled.RecurrentClassifier(overrides=words).fit(X, Y)
    assert list(folder.iterdir()) == []


def test_a_run_leaves_the_process_as_it_was(folder: Path) -> None:
    handler, threads = logging.NullHandler(), torch.get_num_threads()
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        before, level = list(root.handlers), root.level
        unrolled.train([*SHORT, "data=parity", "data.source.num_train=8"])
        assert (root.handlers, root.level) == (before, level)
    finally:
        root.removeHandler(handler)
    assert torch.get_num_threads() == threads


def test_a_group_of_arrays_stays_in_one_set(folder: Path) -> None:
    groups = [f"patient {row // 4}" for row in range(24)]

    run = unrolled.train([*SHORT, "test=false"], data=(X, Y), groups=groups)

    train, val = (set(run.result.groups[name]) for name in ("train", "val"))
    assert train
    assert val
    assert not train & val


def test_arguments_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ConfigError, match="data=digits: the argument data= already"):
        unrolled.train(["data=digits"], data=(X, Y))
    with pytest.raises(ConfigError, match="val= needs data="):
        unrolled.train([], val=(X, Y))
    with pytest.raises(ConfigError, match="need"):
        unrolled.train([], data=(X, Y), allow=["not a package"])


def test_an_error_in_a_notebook_is_one_line() -> None:
    with pytest.raises(ConfigError) as caught:
        unrolled.train(["model=grru"])

    lines = caught.value._render_traceback_()
    assert len(lines) == 1
    assert lines[0].startswith("ConfigError: model=grru: no such option")

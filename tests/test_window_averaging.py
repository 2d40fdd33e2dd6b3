"""Votes: what windows of a recording say together, from training to prediction."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import recall_score

from unrolled.classifier.window_averaging import recording_scores
from unrolled.cli import run
from unrolled.data.windows import average_windows
from unrolled.prediction import long_sequences
from unrolled.prediction.predictor import Predictor
from unrolled.runs.run_folder import RunFolder

SETTINGS = (
    "data=files",
    "recipe=own",
    "data.id=id",
    "data.time=t",
    "data.label=kind",
    "data.window.size=6",
    "data.window.stride=4",
    "data.split=random",
    "data.val_size=8",
    "data.test_size=10",
    "data.missing=forward",
    "model.hidden_size=6",
    "trainer.max_epochs=2",
    "logger=none",
    "data.baselines=false",
)


@settings(max_examples=30)
@given(data=st.data())
def test_votes_are_the_means_of_a_loop(data: st.DataObject) -> None:
    owners = data.draw(st.lists(st.integers(0, 4), min_size=2, max_size=12))
    logits = torch.randn(len(owners), 3, generator=torch.Generator().manual_seed(len(owners)))
    ids, y = torch.tensor(owners), torch.tensor([owner % 3 for owner in owners])
    names, probabilities = average_windows(logits.softmax(dim=1), ids)
    assert names.tolist() == sorted(set(owners))
    scores = recording_scores(logits, y, ids)
    hits, losses, predicted = [], [], []
    for name, mean in zip(sorted(set(owners)), probabilities, strict=True):
        rows = [row for row, owner in enumerate(owners) if owner == name]
        expected = sum(logits[row].softmax(dim=0) for row in rows) / len(rows)
        torch.testing.assert_close(mean, expected)
        predicted.append(int(expected.argmax()))
        hits.append(predicted[-1] == name % 3)
        losses.append(-math.log(float(expected[name % 3])))
    assert float(scores["vote_accuracy"]) == pytest.approx(np.mean(hits))
    labels = [owner % 3 for owner in sorted(set(owners))]
    recalls = recall_score(labels, predicted, labels=sorted(set(labels)), average=None)
    assert float(scores["vote_balanced_accuracy"]) == pytest.approx(np.mean(recalls))
    assert float(scores["vote_loss"]) == pytest.approx(np.mean(losses), rel=1e-5)


def some_rows(num: int, *, seed: int, changing: bool = False) -> pd.DataFrame:
    """Return recordings of 3 to 29 steps; a window begins with a value that is missing."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(num):
        slope = 1 if number % 2 else -1
        for t in range(int(rng.integers(3, 30))):
            kind = "up" if slope > 0 and not (changing and t < 5) else "down"
            rows.append((f"s{number:02d}", t, slope * t + rng.normal(), rng.normal(), kind))
    frame = pd.DataFrame(rows, columns=["id", "t", "a", "b", "kind"])
    frame.loc[frame["t"] == 4, "b"] = np.nan
    return frame


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("votes")
    some_rows(50, seed=0).to_csv(path / "train.csv", index=False)
    some_rows(21, seed=1).to_csv(path / "test.csv", index=False)
    arguments = [
        f"data.path={path / 'train.csv'}",
        f"data.test_path={path / 'test.csv'}",
        f"hydra.run.dir={path / 'run'}",
        "monitor.metric=val/vote_loss",
    ]
    assert run(["train", *SETTINGS, *arguments]) == 0
    return path


@pytest.fixture(scope="module")
def by_hand(folder: Path) -> dict[str, np.ndarray]:
    """Probabilities of each test recording: a loop over its windows, each read alone."""
    predictor = Predictor(RunFolder(folder / "run"))
    rows = pd.read_csv(folder / "test.csv")
    means = {}
    for name, part in rows.groupby("id"):
        x = torch.tensor(part[["a", "b"]].ffill().to_numpy())
        x = predictor.run.fitted.standardization(x[None])[0].float()
        starts = [*range(0, max(len(x) - 6, 0), 4), max(len(x) - 6, 0)]
        probabilities = []
        for start in starts:
            window = x[start : start + 6]
            with torch.no_grad():
                logits = predictor.run.ensemble([(window[None], torch.tensor([len(window)]))])
            probabilities.append(logits.softmax(dim=1)[0].numpy())
        means[str(name)] = np.mean(probabilities, axis=0)
    return means


def test_the_log_counts_recordings_and_windows(folder: Path) -> None:
    lines = (folder / "run/train.log").read_text()
    sizes = RunFolder(folder / "run").result().num_sequences
    assert "windows of 42 train, 8 val, 21 test recordings" in lines
    counts = ", ".join(f"{size} {name}" for name, size in sizes.items())
    assert f"data:  train; {counts} windows; " in lines  # from train.csv


def test_test_scores_by_recording_are_those_of_a_loop(
    folder: Path, by_hand: dict[str, np.ndarray]
) -> None:
    truth = pd.read_csv(folder / "test.csv").groupby("id")["kind"].first()
    hits = [["down", "up"][means.argmax()] == truth[name] for name, means in by_hand.items()]
    scores = json.loads((folder / "run" / "result.json").read_text())["scores"]
    assert scores["test/vote_accuracy"] == pytest.approx(np.mean(hits))
    losses = [-np.log(means[int(truth[name] == "up")]) for name, means in by_hand.items()]
    assert scores["test/vote_loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert {"val/vote_accuracy", "val/vote_loss", "val/vote_f1", "test/vote_loss"} <= scores.keys()


def test_predict_writes_a_row_per_recording_with_the_mean_over_its_windows(
    folder: Path, by_hand: dict[str, np.ndarray], tmp_path: Path
) -> None:
    some_rows(21, seed=1).drop(columns="kind").sample(frac=1, random_state=3).to_csv(
        tmp_path / "new.csv", index=False
    )
    arguments = [f"input={tmp_path / 'new.csv'}", f"output={tmp_path / 'out.csv'}"]
    assert run(["predict", f"run={folder / 'run'}", *arguments]) == 0
    out = pd.read_csv(tmp_path / "out.csv").set_index("id")
    assert sorted(out.index) == sorted(by_hand)
    for name, means in by_hand.items():
        np.testing.assert_allclose(out.loc[name, ["p_down", "p_up"]], means, rtol=1e-4, atol=1e-7)


def test_a_long_recording_is_cut_into_windows_too(
    folder: Path, by_hand: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(long_sequences, "LONG_STEPS", 4)  # most recordings are longer
    rows = some_rows(21, seed=1).drop(columns="kind").sort_values(["id", "t"])
    rows.to_csv(tmp_path / "new.csv", index=False)
    ids, prediction = Predictor(RunFolder(folder / "run")).predict_file(tmp_path / "new.csv")
    for name, probabilities in zip(ids, prediction.probabilities, strict=True):
        np.testing.assert_allclose(probabilities, by_hand[name], rtol=1e-4, atol=1e-7)


def test_evaluate_gives_the_same_figures_and_prints_them(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = json.loads((folder / "run" / "result.json").read_text())
    assert run(["evaluate", f"run={folder / 'run'}"]) == 0
    evaluation = json.loads((folder / "run" / "evaluation.json").read_text())
    tested = {name: score for name, score in result["scores"].items() if name.startswith("test/")}
    assert evaluation["scores"] == pytest.approx(tested)
    assert result["best"]["monitor"] == "val/vote_loss"
    assert "test, by recording" in capsys.readouterr().out


def test_nothing_votes_without_windows(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = [setting for setting in SETTINGS if not setting.startswith(("data.window", "trainer"))]
    arguments = [f"data.path={folder / 'train.csv'}", "trainer.max_epochs=1"]
    where = f"hydra.run.dir={folder / 'plain'}"
    code = run(["train", *plain, *arguments, where, "monitor.metric=val/vote_loss"])
    assert code == 2
    assert "averages the windows of a recording, but" in capsys.readouterr().err
    assert run(["train", *plain, *arguments, f"hydra.run.dir={folder / 'whole'}"]) == 0
    scores = json.loads((folder / "whole" / "result.json").read_text())["scores"]
    assert not [name for name in scores if "vote" in name]


def test_a_label_that_changes_needs_a_rule_and_then_trains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    some_rows(50, seed=0, changing=True).to_csv(tmp_path / "d.csv", index=False)
    arguments = [f"data.path={tmp_path / 'd.csv'}", "trainer.max_epochs=1"]
    settings_of_it = [setting for setting in SETTINGS if not setting.startswith("trainer")]
    command = ["train", *settings_of_it, *arguments]
    assert run([*command, f"hydra.run.dir={tmp_path / 'refused'}"]) == 3
    said = capsys.readouterr().err
    assert "d.csv, line" in said
    assert "data.window.label=last (or majority, any)" in said
    named = ["data.window.label=any", "data.window.background=down"]
    assert run([*command, *named, f"hydra.run.dir={tmp_path / 'run'}"]) == 0
    assert RunFolder(tmp_path / "run").preprocessing()["window_background"] == "down"
    scores = json.loads((tmp_path / "run" / "result.json").read_text())["scores"]
    assert "test/vote_accuracy" not in scores

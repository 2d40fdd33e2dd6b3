"""`data.test_fold=all`: a training for each fold, a summary, and a final model on all sequences."""

import csv
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from scipy.stats import binomtest

import unrolled
from conftest import compose
from unrolled.cli import run
from unrolled.config.compound import part_configs
from unrolled.data.files.source import Files
from unrolled.data.splits import fold_out
from unrolled.errors import CheckpointError, DataError
from unrolled.reports.terminal import show_scores
from unrolled.runs.result import Result
from unrolled.runs.run_folder import RunFolder
from unrolled.training import experiment
from unrolled.training.cross_validation import HeldOut, summarize

TINY = (
    "model=rnn",
    "model.hidden_size=4",
    "trainer.max_epochs=2",
    "logger=none",
    "~callbacks.early_stopping",
    "data.val_size=0",
    "data.baselines=false",
)


def write(path: Path, *, num: int, num_steps: int = 3, groups: str = "g") -> tuple[str, ...]:
    """Write sequences of two classes in four groups, and return the settings that read them."""
    rows = [
        (
            f"{'' if groups == 'g' else groups}s{n:02d}",
            f"{groups}{n % 4}",
            t,
            (n // 4) % 2 + 0.1 * t,
            "ab"[(n // 4) % 2],
        )
        for n in range(num)
        for t in range(num_steps)
    ]
    frame = pd.DataFrame(rows, columns=["id", "who", "time", "x", "kind"])
    frame.to_csv(path, index=False)
    return (
        *(
            "data=files",
            "recipe=own",
            f"data.path={path}",
            "data.id=id",
            "data.time=time",
            "data.label=kind",
        ),
        "data.group=who",
    )


@pytest.fixture(scope="module")
def trained(
    train_in: Callable[..., SimpleNamespace], tmp_path_factory: pytest.TempPathFactory
) -> SimpleNamespace:
    """Three folds of 24 sequences, and a final network. Only to be read."""
    path = tmp_path_factory.mktemp("data") / "mine.csv"
    settings = write(path, num=24)
    made = train_in(*TINY, *settings, "data.test_fold=all", "data.num_folds=3")
    return SimpleNamespace(**vars(made), settings=settings)


def test_each_sequence_is_held_out_once_and_predicted_by_a_network_that_has_not_seen_it(
    trained: SimpleNamespace, train_in: Callable[..., SimpleNamespace]
) -> None:
    with (trained.folder.path / "out_of_fold.csv").open() as file:
        rows = list(csv.DictReader(file))
    alone = train_in(*TINY, *trained.settings, "data.test_fold=1", "data.num_folds=3")
    second = trained.folder.folds[1].best_state_dict()

    assert [row["id"] for row in rows] == [f"s{n:02d}" for n in range(24)]
    assert [row["label"] for row in rows] == ["ab"[(n // 4) % 2] for n in range(24)]
    folds_of_groups = {(n % 4, row["fold"]) for n, row in enumerate(rows)}
    assert len(folds_of_groups) == 4, "each group is in one fold"
    assert {fold for _, fold in folds_of_groups} == set("123")
    assert all(abs(float(row["p_a"]) + float(row["p_b"]) - 1) < 1e-5 for row in rows)
    assert all(torch.equal(second[n], w) for n, w in alone.folder.best_state_dict().items())


def test_the_summary_agrees_with_the_folds_and_the_table(trained: SimpleNamespace) -> None:
    summary = trained.record["cross_validation"]
    accuracies = [f.result().scores["test/accuracy"] for f in trained.folder.folds]
    with (trained.folder.path / "out_of_fold.csv").open() as file:
        right = sum(row["label"] == row["predicted"] for row in csv.DictReader(file))

    assert summary["num_right"] == right
    interval = binomtest(right, 24).proportion_ci(method="wilson")
    assert (summary["low"], summary["high"]) == pytest.approx((interval.low, interval.high))
    assert summary["num_sequences"] == 24 == sum(map(sum, summary["confusion"]))
    assert summary["mean"]["accuracy"] == pytest.approx(sum(accuracies) / 3)
    assert summary["deviation"]["accuracy"] == pytest.approx(
        float(torch.tensor(accuracies, dtype=torch.float64).std())
    )
    assert trained.record["scores"]["cv/accuracy"] == summary["mean"]["accuracy"]
    assert trained.record["best"]["monitor"] == "cv/loss"
    assert [fold["name"] for fold in summary["folds"]] == ["fold-1", "fold-2", "fold-3"]
    assert trained.folder.result().to_json() == trained.record


def test_the_final_network_is_trained_on_all_sequences(
    trained: SimpleNamespace, train_in: Callable[..., SimpleNamespace]
) -> None:
    assert trained.record["num_sequences"] == {"train": 24, "val": 0, "test": 0}
    everything = train_in(*TINY, *trained.settings, "data.test_size=0")
    (member,) = trained.folder.members
    weights = member.best_state_dict()

    assert all(torch.equal(weights[n], w) for n, w in everything.folder.best_state_dict().items())
    assert unrolled.load(trained.folder.path).predict(torch.zeros(2, 3, 1)).labels


def test_groups_stay_together(train_in: Callable[..., SimpleNamespace], tmp_path: Path) -> None:
    settings = (*write(tmp_path / "mine.csv", num=24), "data.split=group", "data.refit=false")
    made = train_in(*TINY, *settings, "data.test_fold=all", "data.num_folds=2")
    with (made.folder.path / "out_of_fold.csv").open() as file:
        folds = {(int(row["id"][1:]) % 4, row["fold"]) for row in csv.DictReader(file)}

    assert len(folds) == 4
    with pytest.raises(CheckpointError, match=r"data\.refit is false"):
        unrolled.load(made.folder.path)


def test_a_test_set_of_its_own_is_used_by_the_final_model_only(
    train_in: Callable[..., SimpleNamespace], tmp_path: Path
) -> None:
    settings = write(tmp_path / "mine.csv", num=24)
    write(tmp_path / "test.csv", num=8, groups="others")
    made = train_in(
        *(*TINY, *settings, f"data.test_path={tmp_path / 'test.csv'}"),
        *("data.test_fold=all", "data.num_folds=2", "ensemble=2"),
    )

    assert made.record["num_sequences"] == {"train": 24, "val": 0, "test": 8}
    assert made.record["groups"]["test"] == [f"others{number}" for number in range(4)]
    assert [f.result().num_sequences["test"] for f in made.folder.folds] == [12, 12]
    assert sum(map(sum, made.record["confusion"])) == 8
    assert [len(f.members) for f in (*made.folder.folds, made.folder)] == [2, 2, 2]
    assert {"cv/accuracy", "test/accuracy"} <= made.record["scores"].keys()


def test_windows_are_averaged_for_each_recording(
    train_in: Callable[..., SimpleNamespace], tmp_path: Path
) -> None:
    settings = write(tmp_path / "mine.csv", num=12, num_steps=6)
    made = train_in(
        *(*TINY, *settings, "data.window.size=2", "data.refit=false"),
        *("data.test_fold=all", "data.num_folds=2"),
    )

    assert made.record["cross_validation"]["num_sequences"] == 12
    assert made.record["cross_validation"]["noun"] == "recordings"
    assert len((made.folder.path / "out_of_fold.csv").read_text().splitlines()) == 13
    assert "cv/vote_accuracy" in made.record["scores"]


def test_the_file_is_read_once(
    train_in: Callable[..., SimpleNamespace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = write(tmp_path / "mine.csv", num=12)
    loads = []
    load = Files.load
    monkeypatch.setattr(Files, "load", lambda self: loads.append(1) or load(self))

    train_in(*TINY, *settings, "data.test_fold=all", "data.num_folds=2", "trainer.max_epochs=1")

    assert len(loads) == 1


def test_one_step_and_three_batches_work(
    train_in: Callable[..., SimpleNamespace], tmp_path: Path
) -> None:
    settings = write(tmp_path / "mine.csv", num=12, num_steps=1)
    made = train_in(
        *(*TINY, *settings, "data.test_fold=all", "data.num_folds=2"),
        *("trainer.limit_test_batches=1", "data.eval_batch_size=4"),
    )

    assert made.record["cross_validation"]["num_sequences"] == 8


@pytest.mark.parametrize(
    ("counts", "split", "message"),
    [
        ([7, 3], "stratified", "only 3 sequences in the smallest class; use data.num_folds=3 or"),
        ([1] * 6, "stratified", "only 1 sequence in the smallest class; use data.split=random"),
        ([2, 2], "random", "there are 4 sequences in all; use data.num_folds=4"),
    ],
)
def test_too_few_sequences_are_counted(counts: list[int], split: str, message: str) -> None:
    y = torch.repeat_interleave(torch.tensor(counts))

    with pytest.raises(DataError, match=message):
        fold_out(y, fold=0, num_folds=5, split=split, seed=0)


def test_the_command_line_prints_mean_spread_and_interval(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    settings = write(tmp_path / "mine.csv", num=12)
    words = (*TINY, *settings, "data.test_fold=all", "data.num_folds=2", "trainer=cpu")

    assert run(["train", *words, "data.baselines=true", f"hydra.run.dir={tmp_path / 'run'}"]) == 0

    output = capsys.readouterr().out
    assert " % over 2 folds, 12 sequences" in output
    assert "of 12 correct" in output
    assert "95 % interval" in output
    folder = RunFolder(tmp_path / "run")
    assert folder.is_trained
    assert "member-1 of 1" not in caplog.text  # there is no ensemble
    pairs = [fold.result().baseline_pairs["MiniRocket"] for fold in folder.folds]
    summed = [sum(counts) for counts in zip(*pairs, strict=True)]
    summary = folder.result().cross_validation
    assert summary.baseline_pairs["MiniRocket"] == summed
    gap = 12 * summary.baselines["MiniRocket"] - summary.num_right
    assert summed[0] - summed[1] == pytest.approx(gap)


def test_a_better_baseline_is_named_after_a_cross_validation(
    trained: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    result = trained.folder.result()
    folds = result.cross_validation
    folds.mean["accuracy"], folds.baselines["MiniRocket"] = 0.5, 0.9
    folds.baseline_pairs["MiniRocket"] = [12, 1]

    show_scores(result, config=trained.config)

    assert "MiniRocket is 40.0 points better than this network" in capsys.readouterr().out


def test_sequences_that_are_outside_their_fold_too_are_counted_and_left_out_of_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    right = torch.tensor([[2.0, 0.0], [2.0, 0.0], [0.0, 2.0], [0.0, 2.0]])
    parts = [
        HeldOut(right, torch.tensor([0, 0, 1, 0]), torch.arange(4), torch.tensor(repeated))
        for repeated in ([True, False, False, False], [False, False, False, True])
    ]
    result = Result(scores={"test/accuracy": 0.75, "test/unseen_accuracy": 0.7})
    summary = summarize([result, result], parts, folds=[], num_classes=2, noun="sequences")
    assert (summary.num_repeated, summary.num_right_repeated) == (2, 1)
    assert list(summary.mean) == ["accuracy"]
    show_scores(Result(cross_validation=summary))
    line = "without 2 sequences that have the same values as others: 5 of 6 correct"
    assert line in capsys.readouterr().out


def test_evaluate_needs_new_sequences(trained: SimpleNamespace, tmp_path: Path) -> None:
    config = trained.folder.config()
    with pytest.raises(DataError, match=r"data\.test_path=FILE"):
        experiment.evaluate(config, trained.folder)
    write(tmp_path / "new.csv", num=8, groups="others")

    config.data.test_path = str(tmp_path / "new.csv")

    assert experiment.evaluate(config, trained.folder)["num_sequences"] == 8


def test_trainings_of_a_search_are_not_pruned_one_by_one() -> None:
    config = compose("ensemble=2", "+callbacks.pruning={}")

    parts = part_configs(config, overrides=[])

    assert all("pruning" not in part.callbacks for part in parts.values())
    assert "pruning" in config.callbacks


def test_a_class_that_is_only_in_the_held_out_fold_is_named(
    train_in: Callable[..., SimpleNamespace], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = write(tmp_path / "mine.csv", num=6)
    frame = pd.read_csv(tmp_path / "mine.csv").replace({"kind": {"b": "a"}})
    frame.loc[frame["id"] == "s05", "kind"] = "rare"
    frame.to_csv(tmp_path / "mine.csv", index=False)

    train_in(
        *(*TINY, *settings, "data.test_fold=all", "data.split=random", "data.num_folds=2"),
        *("data.refit=false", "trainer.max_epochs=1"),
    )

    warnings = [line for line in caplog.messages if "no training sequence of rare" in line]
    assert len(warnings) == 1

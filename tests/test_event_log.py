"""A run on an event log without numbers: training, resume, and files with new words."""

import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import unrolled
from conftest import compose
from unrolled.cli import run
from unrolled.errors import DataError
from unrolled.reports.baselines import LINEAR, fit_baselines
from unrolled.runs.run_folder import RunFolder

TINY = (
    *("data=files", "data.id=id", "data.label=y", "data.features=[event]"),
    *("data.categorical=[event]", "data.embedding=3", "data.val_size=8", "data.test_size=8"),
    *("data.batch_size=8", "stem.channels=4", "model.hidden_size=4", "logger=none"),
    *("trainer.max_epochs=2", "trainer.max_steps=-1", "trainer=cpu"),
)


def write_log(path: Path, *, num: int, seed: int) -> Path:
    draw = random.Random(seed)
    rows = [
        (f"s{number:02}", draw.choice("abcdefg"), ["up", "down"][number % 2])
        for number in range(num)
        for _ in range(3 + number % 3)
    ]
    pd.DataFrame(rows, columns=["id", "event", "y"]).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with log.csv and a run on it, called `run`."""
    here = tmp_path_factory.mktemp("events")
    log = write_log(here / "log.csv", num=32, seed=0)
    unrolled.train([*TINY, f"data.path={log}", f"hydra.run.dir={here / 'run'}"])
    return here


def probabilities(folder: Path, table: pd.DataFrame) -> np.ndarray:
    return unrolled.load(folder / "run").predict(table).probabilities


def table(*events: str) -> pd.DataFrame:
    return pd.DataFrame({"id": "n", "event": events})


def test_the_order_of_columns_is_irrelevant(folder: Path, tmp_path: Path) -> None:
    log = pd.read_csv(folder / "log.csv")
    log[["y", "event", "id"]].to_csv(tmp_path / "other.csv", index=False)
    predictor = unrolled.load(folder / "run")
    one, other = (
        predictor.predict_file(path)[1] for path in (folder / "log.csv", tmp_path / "other.csv")
    )
    assert np.array_equal(one.probabilities, other.probabilities)


def test_all_unknown_words_are_one_word(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    new = probabilities(folder, table("a", "never", "b"))
    assert "33.3 % of the 3 words in 'event' are unknown" in caplog.text
    assert np.array_equal(new, probabilities(folder, table("a", "seen", "b")))
    assert not np.allclose(new, probabilities(folder, table("a", "c", "b")), atol=1e-6)


def test_an_array_has_no_words(folder: Path) -> None:
    with pytest.raises(DataError, match=r"reads the words of 'event'.*pass DataFrames"):
        unrolled.load(folder / "run").predict([np.ones((3, 1))])


def test_evaluate_reads_a_file_with_new_words(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = pd.read_csv(folder / "log.csv").replace({"event": {"a": "never"}})
    log["id"] = "n" + log["id"]
    log.to_csv(tmp_path / "new.csv", index=False)
    assert run(["evaluate", f"run={folder / 'run'}", f"input={tmp_path / 'new.csv'}"]) == 0
    assert "32 sequences" in capsys.readouterr().out
    test = f"data.test_path={tmp_path / 'new.csv'}"
    assert run(["evaluate", f"run={folder / 'run'}", test]) == 0


def test_the_number_of_words_is_stored(folder: Path) -> None:
    values = RunFolder(folder / "run").preprocessing()
    assert values["num_words"] == [len(values["schema"]["categories"]["event"])]


def test_resuming_gives_the_weights_of_an_uninterrupted_run(folder: Path, tmp_path: Path) -> None:
    words = [*TINY, f"data.path={folder / 'log.csv'}", "scheduler=none", "checkpoint.min_seconds=0"]
    part, whole = tmp_path / "part", tmp_path / "whole"
    unrolled.train([*words, f"hydra.run.dir={part}", "trainer.max_epochs=1"])
    before = _last_weights(part)
    assert run(["resume", f"run={part}", "trainer.max_epochs=2"]) == 0
    unrolled.train([*words, f"hydra.run.dir={whole}"])
    resumed, uninterrupted = _last_weights(part), _last_weights(whole)
    vectors = "network.words.tables.0.weight"
    assert not torch.equal(resumed[vectors], before[vectors])
    assert all(torch.equal(resumed[name], value) for name, value in uninterrupted.items())


def _last_weights(path: Path) -> dict[str, torch.Tensor]:
    checkpoint = RunFolder(path).newest_checkpoint()[1]
    weights: dict[str, torch.Tensor] = checkpoint["state_dict"]
    return weights


def test_a_long_log_is_read_in_chunks(folder: Path, tmp_path: Path) -> None:
    words = ["recipe=own", "model=gru", "model.hidden_size=4", "trainer.max_epochs=1"]
    own = [word for word in TINY if not word.startswith(("stem", "model", "trainer"))]
    log = folder / "log.csv"
    unrolled.train([*own, *words, f"data.path={log}", f"hydra.run.dir={tmp_path / 'run'}"])
    predictor = unrolled.load(tmp_path / "run")
    assert predictor.run.runs_in_chunks
    events = np.random.default_rng(0).choice([*"abcdefgh"], size=5000)
    pd.DataFrame({"id": "n", "event": events}).to_csv(tmp_path / "long.csv", index=False)
    in_chunks = predictor.predict_file(tmp_path / "long.csv")[1].probabilities
    predictor.run.runs_in_chunks = False
    whole = predictor.predict_file(tmp_path / "long.csv")[1].probabilities
    np.testing.assert_allclose(in_chunks, whole, atol=1e-5)


def test_the_linear_baseline_reads_the_share_of_each_word(tmp_path: Path) -> None:
    rows = [
        f"s{n:02},{word},{'ab'[n % 2]}"
        for n in range(40)
        for word in ("start", ["left", "right"][n % 2], "end")
    ]
    (tmp_path / "log.csv").write_text("\n".join(["id,event,y", *rows]))
    scores = fit_baselines(compose(*TINY, f"data.path={tmp_path / 'log.csv'}"))
    assert scores[LINEAR]["test/accuracy"] == 1.0

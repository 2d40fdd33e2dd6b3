"""Training does not depend on test sequences: the same weights, bit for bit, with other ones."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from unrolled.building.data import load_data

TINY = (
    *("trainer.max_steps=3", "model.hidden_size=4", "logger=none", "data.baselines=false"),
    *("data=files", "data.id=id", "data.time=t", "data.label=y", "data.categorical=[how]"),
    *("data.missing=mask", "data.batch_size=8", "recipe=small"),
)
NUM = 24


def rows(number: int, *, is_other: bool) -> pd.DataFrame:
    """Return a sequence; another one of this number is longer, with other values and words."""
    random = np.random.default_rng([number, is_other])
    num_steps = 5 + number % 3 + 4 * is_other
    v = random.normal(size=num_steps) * (100 if is_other else 1)
    v[1] = np.nan
    how = random.choice(["sideways", "down"] if is_other else ["up", "down"], size=num_steps)
    columns = {"id": f"s{number:02d}", "t": range(num_steps), "v": v, "how": how}
    return pd.DataFrame({**columns, "y": "ab"[number % 2]})


def write(path: Path, numbers: range, *, others: set[int]) -> Path:
    frames = [rows(number, is_other=number in others) for number in numbers]
    pd.concat(frames).to_csv(path, index=False)
    return path


def state_of(run: SimpleNamespace) -> tuple[dict[str, torch.Tensor], str]:
    text = (run.folder.path / "preprocessing.json").read_text()
    return run.folder.best_state_dict(), text


def assert_same_model(one: SimpleNamespace, other: SimpleNamespace) -> None:
    (weights, text), (other_weights, other_text) = state_of(one), state_of(other)
    assert text == other_text
    assert weights.keys() == other_weights.keys()
    assert all(torch.equal(weights[name], other_weights[name]) for name in weights)


def test_another_test_file_gives_the_same_model(
    train_in: Callable[..., SimpleNamespace], tmp_path: Path
) -> None:
    path = write(tmp_path / "train.csv", range(NUM), others=set())
    tests = {
        name: write(tmp_path / f"{name}.csv", numbers, others=set(others))
        for name, numbers, others in (
            ("test", range(NUM, NUM + 6), range(0)),
            ("other", range(NUM, NUM + 9), range(NUM, NUM + 9)),
        )
    }
    runs = [
        train_in(*TINY, f"data.path={path}", f"data.test_path={test}") for test in tests.values()
    ]
    assert_same_model(*runs)


@pytest.fixture(scope="module")
def held_out(
    train_in: Callable[..., SimpleNamespace], tmp_path_factory: pytest.TempPathFactory
) -> tuple[SimpleNamespace, SimpleNamespace]:
    """Two runs on files that differ in the sequences that are held out."""
    folder = tmp_path_factory.mktemp("held_out")
    settings = (*TINY, "data.test_size=6", "data.test_fold=null")
    one = train_in(*settings, f"data.path={write(folder / 'a.csv', range(NUM), others=set())}")
    test = load_data(one.folder.config()).parts.test
    assert test is not None
    others = set(test.ids.tolist())
    other = train_in(*settings, f"data.path={write(folder / 'b.csv', range(NUM), others=others)}")
    return one, other


def test_other_sequences_that_are_held_out_of_the_file_give_the_same_model(
    held_out: tuple[SimpleNamespace, SimpleNamespace],
) -> None:
    assert_same_model(*held_out)


def test_a_word_that_only_held_out_sequences_have_is_no_feature(
    held_out: tuple[SimpleNamespace, SimpleNamespace],
) -> None:
    schema = held_out[1].folder.preprocessing()["schema"]
    assert schema["categories"] == {"how": ["down", "up"]}
    assert schema["feature_names"] == ["v", "how=down", "how=up"]


@pytest.mark.parametrize("more", [(), ("ensemble=2",)], ids=["network", "ensemble"])
def test_a_run_scores_the_test_set_without_repeated_sequences_too(
    more: tuple[str, ...], train_in: Callable[..., SimpleNamespace], tmp_path: Path
) -> None:
    """By recording: a repeated recording is left out with all of its windows."""
    train = write(tmp_path / "train.csv", range(NUM), others=set())
    test = write(tmp_path / "test.csv", range(NUM - 1, NUM + 5), others=set())
    frame = pd.read_csv(test)
    frame["id"] = "new " + frame["id"]
    frame.to_csv(test, index=False)
    windows = ("data.window.size=3", "data.window.stride=1")
    settings = (*TINY, *windows, f"data.path={train}", f"data.test_path={test}", *more)
    record = train_in(*settings).record
    assert record["num_repeated"] == {"test": 1}
    recordings, unseen = (
        record["scores"][f"test/{name}vote_accuracy"] * num
        for name, num in (("", 6), ("unseen_", 5))
    )
    assert round(recordings - unseen, 4) in (0, 1)
    assert "test/unseen_accuracy" in record["scores"]

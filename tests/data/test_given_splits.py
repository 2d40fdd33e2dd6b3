"""Splits that a column or separate files define; folds of whole groups."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import compose
from unrolled.building.data import build_data
from unrolled.data.module import SequenceDataModule
from unrolled.data.splits import fold_out
from unrolled.errors import ConfigError, DataError

PARTS = ["train"] * 6 + ["Val"] * 2 + ["test"] * 4


def write(path: Path, *, parts: list[str] = PARTS, form: str = "long", **columns: Any) -> Path:
    num = len(parts)
    frame = pd.DataFrame(
        {
            "id": [f"s{row:02d}" for row in range(num)],
            "x_0": range(num),
            "x_1": [2.0 * row for row in range(num)],
            "who": [f"p{row}" for row in range(num)],
            "part": parts,
            "y": ["ab"[row % 2] for row in range(num)],
        }
    ).assign(**columns)
    if form == "long":
        frame = pd.concat([frame, frame]).sort_values("id")
    frame.to_csv(path, index=False)
    return path


def load(path: Path, **changes: Any) -> SequenceDataModule:
    config = compose("data=files", "recipe=own")
    columns = {"path": str(path), "id": "id", "label": "y", "group": "who", "split": "given"}
    for key, value in {**columns, "split_column": "part", **changes}.items():
        config.data[key] = value
    module: SequenceDataModule = build_data(config)
    module.setup()
    return module


@pytest.mark.parametrize("form", ["long", "wide"])
def test_a_column_assigns_sequences_to_splits(form: str, tmp_path: Path) -> None:
    parts = load(write(tmp_path / "d.csv", form=form), standardize="none").parts
    assert parts.sizes() == {"train": 6, "val": 2, "test": 4}
    assert parts.val is not None
    assert parts.test is not None
    assert parts.train.x[:, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert parts.val.x[:, 0, 0].tolist() == [6, 7]
    assert parts.test.x[:, 0, 0].tolist() == [8, 9, 10, 11]
    ids = torch.cat([parts.train.ids, parts.val.ids, parts.test.ids])
    assert len(set(ids.tolist())) == 12


def test_separate_files_define_the_splits(tmp_path: Path) -> None:
    files = {}
    for number, name in enumerate(["path", "val_path", "test_path"]):
        who = [f"{name}{row}" for row in range(4 + 2 * number)]
        part = ["train"] * len(who)
        files[name] = str(write(tmp_path / f"{name}.csv", parts=part, who=who, x_0=number))
    features = {"features": ["x_0", "x_1"], "split_column": None}
    assert load(Path(files.pop("path")), **files, **features).parts.sizes() == {
        "train": 4,
        "val": 6,
        "test": 8,
    }


def test_a_split_that_the_column_lacks_is_held_out_of_the_training_set(tmp_path: Path) -> None:
    path = write(tmp_path / "d.csv", parts=["train"] * 8 + ["test"] * 4)
    sizes = load(path, split="stratified", val_size=2).parts.sizes()
    assert sizes == {"train": 6, "val": 2, "test": 4}


def test_a_missing_validation_set_is_refused_unless_its_size_is_zero(tmp_path: Path) -> None:
    path = write(tmp_path / "d.csv", parts=["train"] * 8 + ["test"] * 4)
    with pytest.raises(ConfigError, match=r"data\.split=given: .*data\.split_column=COLUMN"):
        load(path)
    assert load(path, val_size=0).parts.sizes() == {"train": 8, "val": 0, "test": 4}


TRAIN = ["train"] * 3
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "another word": ({"parts": [*TRAIN, "rest"]}, r"line 8.*'rest' is not a split"),
    "no train": ({"parts": ["val", "val", "test"]}, r"assigns no sequence to train"),
    "a class of its own": (
        {"parts": [*TRAIN, "test"], "y": list("abac")},
        r"'c' occurs in test",
    ),
    "a shared group": ({"parts": [*TRAIN, "val"], "who": list("pqrp")}, r"'p' .* train and in val"),
    "an empty cell": ({"parts": [*TRAIN, ""]}, r"column 'part': the cell is empty"),
}


@pytest.mark.parametrize(("columns", "message"), BAD.values(), ids=BAD)
def test_an_invalid_split_column_is_refused(
    columns: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        load(write(tmp_path / "d.csv", **columns))


def test_a_sequence_in_two_splits_is_refused(tmp_path: Path) -> None:
    frame = pd.read_csv(write(tmp_path / "d.csv"))
    frame.loc[1, "part"] = "test"
    frame.to_csv(tmp_path / "d.csv", index=False)
    with pytest.raises(DataError, match=r"line 3: sequence 's00' has the split 'test' here"):
        load(tmp_path / "d.csv")


def test_a_split_from_both_column_and_file_is_refused(tmp_path: Path) -> None:
    path, other = write(tmp_path / "d.csv"), write(tmp_path / "other.csv")
    with pytest.raises(ConfigError, match=r"data\.test_path=.*already assigns sequences to test"):
        load(path, test_path=str(other))


# sequences in two files


def two_files(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    """Write a training and a test file whose ids are the same, and whose values may differ."""
    train = write(tmp_path / "train.csv", parts=["train"] * 4)
    other = {"who": [f"q{row}" for row in range(4)], **changes}
    test = write(tmp_path / "test.csv", parts=["train"] * 4, **other)
    used = {"features": ["x_0", "x_1"], "split_column": None, "val_size": 0}
    return {"path": train, "test_path": str(test), **used}


def test_ids_may_begin_again_in_each_file(tmp_path: Path) -> None:
    module = load(**two_files(tmp_path, x_0=[9, 8, 7, 6]))
    assert module.num_repeated == {"test": 0}


def test_a_sequence_with_the_same_id_and_values_in_two_files_is_refused(tmp_path: Path) -> None:
    message = r"'s01' is in train \(data\.path=.*\) and, .* in test \(data\.test_path=.*\(1 such"
    with pytest.raises(DataError, match=message):
        load(**two_files(tmp_path, x_0=[9, 1, 7, 6]))


def test_sequences_with_other_ids_and_the_same_values_are_counted(tmp_path: Path) -> None:
    module = load(**two_files(tmp_path, id=["s01", "s00", "t2", "t3"], x_1=[0, 2, 4, 7]))
    assert module.num_repeated == {"test": 3}
    assert module.repeated_ids.tolist() == [4, 5, 6]  # s00, s01, t2
    assert "3 of 4 sequences of the test set have the same values" in module.warnings[0]


def test_the_groups_of_each_part_are_known(tmp_path: Path) -> None:
    module = load(
        **two_files(tmp_path, x_0=9),
    )
    assert module.groups == {
        "train": ["p0", "p1", "p2", "p3"],
        "val": [],
        "test": ["q0", "q1", "q2", "q3"],
    }


# folds of whole groups


@settings(max_examples=50)
@given(
    owners=st.lists(st.integers(0, 9), min_size=8, max_size=40).filter(lambda o: len(set(o)) > 2),
    seed=st.integers(0, 9),
)
def test_folds_of_groups_cover_all_rows_and_divide_no_group(owners: list[int], seed: int) -> None:
    y, groups = torch.arange(len(owners)) % 2, torch.tensor(owners)
    held_by_fold = []
    for fold in range(3):
        kept, held = fold_out(y, fold=fold, num_folds=3, split="group", seed=seed, groups=groups)
        assert not set(groups[kept].tolist()) & set(groups[held].tolist())
        assert sorted([*kept.tolist(), *held.tolist()]) == list(range(len(owners)))
        assert len(held)
        held_by_fold += held.tolist()
    assert sorted(held_by_fold) == list(range(len(owners)))


def test_folds_of_groups_need_groups_and_enough_of_them() -> None:
    y = torch.arange(6) % 2
    same = {"fold": 0, "num_folds": 3, "split": "group", "seed": 0}
    with pytest.raises(ConfigError, match=r"data\.group=COLUMN"):
        fold_out(y, **same)
    with pytest.raises(DataError, match=r"6 sequences in 2 groups; use data\.num_folds=2"):
        fold_out(y, **same, groups=y)

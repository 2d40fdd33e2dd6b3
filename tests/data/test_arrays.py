"""Arrays in memory: every accepted form gives the same sequences, and mistakes are refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from conftest import compose
from unrolled.building.source import build_source
from unrolled.contracts import SourceData
from unrolled.data.arrays.held import given, holding
from unrolled.errors import DataError

rng = np.random.default_rng(0)
LENGTHS = [3, 5, 4, 2, 5, 3]
X = [rng.normal(size=(length, 2)) for length in LENGTHS]
Y = ["slow", "fast"] * 3
PADDED = np.zeros((6, 5, 2))
for number, part in enumerate(X):
    PADDED[number, : len(part)] = part
LONG = pd.DataFrame(np.concatenate(X), columns=["angle", "wind"]).assign(
    swing=np.repeat(range(6), LENGTHS), kind=np.repeat(Y, LENGTHS)
)
COLUMNS = ("data.id=swing", "data.label=kind")


class Pairs(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, str]:
        if row >= len(X):
            raise IndexError
        return torch.from_numpy(X[row]), Y[row]


def load(data: Any, *overrides: str, lengths: Any = None, **others: Any) -> SourceData:
    splits = {"train": given(data, name="data", lengths=lengths)}
    splits |= {name: given(part, name=name) for name, part in others.items()}
    with holding(splits):
        return build_source(compose("data=arrays", *overrides)).load()


FORMS: dict[str, Callable[[], SourceData]] = {
    "list of tensors": lambda: load(([torch.from_numpy(part) for part in X], Y)),
    "nested lists": lambda: load(([part.tolist() for part in X], tuple(Y))),
    "padded array": lambda: load((PADDED, np.array(Y)), lengths=LENGTHS),
    "padded tensor with lengths": lambda: load(
        (torch.from_numpy(PADDED), Y, torch.tensor(LENGTHS))
    ),
    "array of objects": lambda: load((np.array(X, dtype=object), pd.Series(Y))),
    "pandas": lambda: load(LONG, *COLUMNS),
    "polars": lambda: load(pl.from_pandas(LONG), *COLUMNS),
    "Dataset": lambda: load(Pairs()),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_sequences_of_a_list_of_arrays(form: str) -> None:
    expected, found = load((X, Y)), FORMS[form]()

    assert found.class_names == expected.class_names == ("fast", "slow")
    for one, other in zip(found.train.tensors(), expected.train.tensors(), strict=True):
        assert torch.equal(one, other)


def test_a_table_has_one_feature_per_step() -> None:
    assert load((PADDED[:, :, 0], [0, 1] * 3)).train.x.shape == (6, 5, 1)


@pytest.mark.parametrize(
    "labels", [[0, 1, 10] * 2, np.array([0.0, 1.0, 10.0] * 2), torch.tensor([0, 1, 10] * 2)]
)
def test_whole_numbers_are_labels_in_numerical_order(labels: Any) -> None:
    data = load((X, labels))

    assert data.class_names == ("0", "1", "10")
    assert data.train.y.tolist() == [0, 1, 2] * 2


def with_value(value: float) -> list[np.ndarray]:
    changed = [part.copy() for part in X]
    changed[2][1, 0] = value
    return changed


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "NaN": (lambda: load((with_value(np.nan), Y)), r"data, sequence '2', step 1, feature '0'"),
    "no label": (lambda: load((X, [*Y[:5], None])), "data, sequence 5: the label is missing"),
    "too few labels": (lambda: load((X, Y[:5])), "6 sequences and 5 labels"),
    "one-hot labels": (lambda: load((X, np.eye(6))), r"pass y\.argmax\(axis=1\)"),
    "regression": (lambda: load((X, rng.normal(size=6))), "Regression is out of scope"),
    "one class": (lambda: load((X, ["slow"] * 6)), "at least two classes"),
    "empty sequence": (lambda: load(([np.zeros((0, 2)), *X[1:]], Y)), "sequence 0 has length 0"),
    "long length": (lambda: load((PADDED, Y, [9] * 6)), "sequence 0: the length is 9"),
    "other features": (lambda: load(([*X[:5], X[5][:, :1]], Y)), "sequence 5 has 1 features"),
    "text": (lambda: load(([["a"], *X[1:]], Y)), "sequence 0 is not an array of numbers"),
    "a single sequence": (lambda: load((X[0][:, 0], Y)), r"x has shape \(3,\)"),
    "no labels at all": (lambda: load(PADDED), r"the labels are missing, for example data=\(x, y"),
    "unknown class": (lambda: load((X, Y), test=(X, ["new"] * 6)), "test: the class 'new'"),
    "column of an array": (lambda: load((X, Y), "data.id=swing"), "'swing' is a column of a Data"),
    "unknown column": (lambda: load(LONG, "data.id=swings", "data.label=kind"), "swings"),
    "no data": (lambda: build_source(compose("data=arrays")).prepare(), "the arrays of a run"),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_a_mistake_is_refused_with_its_place(mistake: str) -> None:
    call, message = REFUSED[mistake]

    with pytest.raises(DataError, match=message):
        call()

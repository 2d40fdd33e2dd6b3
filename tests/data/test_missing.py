"""What fills a missing value: what came before it, or the mean of the training part."""

import pytest
import torch

from unrolled.data.missing import Filling

NAN = float("nan")
ROWS = [[[NAN, 1.0], [2.0, NAN], [NAN, NAN]], [[4.0, 5.0], [NAN, NAN], [7e9, 7e9]]]
X = torch.tensor(ROWS, dtype=torch.float64)
LENGTHS = torch.tensor([3, 2])  # the last step of the second sequence is padding
MEAN = [3.0, 3.0]


def fitted(x: torch.Tensor, lengths: torch.Tensor, *, mode: str) -> Filling:
    blocks = [row[:length] for row, length in zip(x, lengths, strict=True)]
    return Filling.fit(blocks, mode=mode, num_features=x.shape[2], num_codes=0)


def fill(mode: str) -> torch.Tensor:
    return fitted(X, LENGTHS, mode=mode)(X)


def test_the_mean_is_that_of_what_is_there_in_real_steps() -> None:
    assert fill("mean")[0].tolist() == [[3, 1], [2, 3], [3, 3]]


def test_forward_takes_the_last_value_before_and_the_mean_where_there_is_none() -> None:
    assert fill("forward")[0].tolist() == [[3, 1], [2, 1], [2, 1]]
    assert fill("forward")[1, :2].tolist() == [[4, 5], [4, 5]]


def test_mask_says_what_was_missing() -> None:
    filled = fill("mask")
    assert torch.equal(filled[:, :, :2], fill("mean"))
    assert filled[0, :, 2:].tolist() == [[1, 0], [0, 1], [1, 1]]


def test_a_feature_that_is_never_there_is_filled_with_zero() -> None:
    x = torch.full((1, 2, 1), NAN, dtype=torch.float64)
    assert fitted(x, torch.tensor([2]), mode="mean")(x).tolist() == [[[0], [0]]]


@pytest.mark.parametrize("mode", ["refuse", "forward", "mean", "mask"])
def test_what_is_there_stays_and_nothing_is_missing_afterwards(mode: str) -> None:
    x = X.nan_to_num(0.5) if mode == "refuse" else X
    filled = fitted(x, LENGTHS, mode=mode)(x)
    there = ~x.isnan()
    assert torch.equal(filled[:, :, :2][there], x[there])
    assert not filled.isnan().any()


@pytest.mark.parametrize("mode", ["refuse", "forward", "mean", "mask"])
def test_a_filling_survives_the_way_into_a_file_and_back(mode: str) -> None:
    filling = fitted(X, LENGTHS, mode=mode)
    restored = Filling.from_plain(filling.to_plain())
    assert restored.mode == mode
    assert torch.equal(restored.mean, filling.mean)

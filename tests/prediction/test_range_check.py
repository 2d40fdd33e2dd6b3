"""Values far outside the training range are counted, whatever the pieces are."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from unrolled.data.files.piece import Pieces
from unrolled.data.ranges import Ranges
from unrolled.errors import DataError
from unrolled.prediction import range_check
from unrolled.prediction.range_check import RangeCheck

FITTED = Ranges(torch.tensor([0.0, 0.0]), torch.tensor([1.0, 2.0]))  # limits -10, 11 and -20, 22
VALUES = [[0.5, 23], [np.nan, 30], [-9.9, -19.9], [10.9, 21.9]]


def pieces(values: list[list[float]]) -> Iterator[Pieces]:
    for row in values:
        yield Pieces(["a"], np.array([row]), np.array([1]))


def watch(values: list[list[float]], *, strict: bool) -> list[Pieces]:
    check = RangeCheck(FITTED, ["v", "w"], source="new.csv")
    return list(check.watch(pieces(values), strict=strict))


@pytest.mark.parametrize("block", [1, 2**16])
def test_one_warning_has_feature_share_and_range(
    block: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(range_check, "BLOCK_VALUES", block)
    assert len(watch(VALUES, strict=False)) == len(VALUES)
    [record] = caplog.records
    line = "'w': 50 % of 4 values; training range 0 to 2, here -19.9 to 30"
    assert line in record.getMessage()
    assert "'v'" not in record.getMessage()


def test_strict_refuses_them() -> None:
    with pytest.raises(DataError, match=r"new.csv: values far outside .*\n  'w': 50 %"):
        watch(VALUES, strict=True)


def test_values_inside_and_missing_ones_are_accepted(caplog: pytest.LogCaptureFixture) -> None:
    watch([VALUES[2], VALUES[3], [np.nan, np.nan]], strict=True)
    assert caplog.text == ""


def test_a_narrow_range_at_a_high_level_is_printed_with_enough_digits() -> None:
    fitted = Ranges(torch.tensor([4_999_984.0]).double(), torch.tensor([5_000_008.0]).double())
    check = RangeCheck(fitted, ["Pa"], source="new.csv")
    with pytest.raises(DataError, match=r"range 4999984 to 5000008, here 50\.25 to 5000000"):
        list(check.watch(pieces([[50.25], [5e6]]), strict=True))

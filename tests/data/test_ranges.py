"""The range of the training set, and the limits of values far outside of it."""

import pytest
import torch

from unrolled.data import ranges
from unrolled.data.ranges import Ranges


@pytest.mark.parametrize("block", [1, 2**22])
def test_padding_is_not_part_of_the_range(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "BLOCK_VALUES", block)
    x = torch.tensor([[[2.0], [5.0], [0.0]], [[3.0], [0.0], [0.0]]])
    fitted = Ranges.fit(x, torch.tensor([2, 1]))
    assert (fitted.lowest.tolist(), fitted.highest.tolist()) == ([2.0], [5.0])


def test_the_limits_are_ten_widths_away_and_a_constant_feature_has_the_width_1() -> None:
    fitted = Ranges(torch.tensor([1.0, 7.0]), torch.tensor([3.0, 7.0]))
    low, high = fitted.limits()
    assert (low.tolist(), high.tolist()) == ([-19.0, -3.0], [23.0, 17.0])


def test_the_range_survives_a_json_file() -> None:
    fitted = Ranges(torch.tensor([0.1]), torch.tensor([1 / 3]))
    back = Ranges.from_plain(fitted.to_plain())
    assert torch.equal(back.highest, fitted.highest)

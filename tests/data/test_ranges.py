"""The range of the training set, and the limits of values far outside of it."""

import torch

from unrolled.data.ranges import Ranges


def test_the_limits_are_ten_widths_away_and_a_constant_feature_has_the_width_1() -> None:
    fitted = Ranges(torch.tensor([1.0, 7.0]), torch.tensor([3.0, 7.0]))
    low, high = fitted.limits()
    assert (low.tolist(), high.tolist()) == ([-19.0, -3.0], [23.0, 17.0])


def test_the_range_survives_a_json_file() -> None:
    fitted = Ranges(torch.tensor([0.1]).double(), torch.tensor([1 / 3]).double())
    back = Ranges.from_plain(fitted.to_plain())
    assert torch.equal(back.highest, fitted.highest)

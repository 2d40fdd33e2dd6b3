"""Standardisation: statistics of the real training steps, and nothing else."""

import logging

import pytest
import torch
from torch import Tensor

from unrolled.data.moments import Moments
from unrolled.data.standardization import Standardization
from unrolled.errors import ConfigError

LENGTHS = torch.tensor([4, 1, 3])


def some_input() -> Tensor:
    return torch.randn(3, 4, 2, dtype=torch.float64) * torch.tensor([1.0, 50.0]) + 7


def real_steps_of(x: Tensor) -> Tensor:
    return torch.cat([row[:length] for row, length in zip(x, LENGTHS, strict=True)])


def fit(x: Tensor, lengths: Tensor, *, mode: str) -> Standardization:
    rows = [row[:length].double() for row, length in zip(x, lengths, strict=True)]
    moments = Moments.of([torch.cat(rows[:2]), *rows[2:]])
    return Standardization.fit(
        moments, mode=mode, names=[f"f{index}" for index in range(x.shape[2])]
    )


def assert_same(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-7, atol=1e-12)


def test_feature_statistics_are_those_of_each_column_of_real_steps() -> None:
    x = some_input()
    fitted = fit(x, LENGTHS, mode="feature")
    assert_same(fitted.mean, real_steps_of(x).mean(dim=0))
    assert_same(fitted.scale, real_steps_of(x).std(dim=0, correction=0))


def test_global_statistics_are_those_of_all_real_numbers() -> None:
    x = some_input()
    fitted = fit(x, LENGTHS, mode="global")
    assert_same(fitted.mean, real_steps_of(x).mean()[None])
    assert_same(fitted.scale, real_steps_of(x).std(correction=0)[None])


@pytest.mark.parametrize("mode", ["global", "feature"])
@pytest.mark.parametrize("garbage", [1e6, float("nan")])
def test_padding_is_not_in_the_statistics(mode: str, garbage: float) -> None:
    x = some_input()
    spoilt = x.masked_fill((torch.arange(4) >= LENGTHS[:, None])[:, :, None], garbage)
    one = fit(x, LENGTHS, mode=mode)
    other = fit(spoilt, LENGTHS, mode=mode)
    assert torch.equal(one.mean, other.mean)
    assert torch.equal(one.scale, other.scale)


def test_what_was_fitted_comes_out_with_mean_0_and_deviation_1() -> None:
    x = some_input()
    real = real_steps_of(fit(x, LENGTHS, mode="feature")(x))
    assert_same(real.mean(dim=0), torch.zeros(2, dtype=torch.float64))
    assert_same(real.std(dim=0, correction=0), torch.ones(2, dtype=torch.float64))


def test_none_changes_nothing() -> None:
    x = some_input()
    assert torch.equal(fit(x, LENGTHS, mode="none")(x), x)


def test_fitting_leaves_its_input_as_it_was() -> None:
    x = some_input()
    before = x.clone()
    for mode in ("global", "feature"):
        fit(x, torch.full((3,), 4), mode=mode)
    assert torch.equal(x, before)


def test_a_constant_feature_is_scaled_by_1() -> None:
    x = some_input()
    x[:, :, 1] = 0.1  # no float has this value, so its deviation need not come out as 0
    fitted = fit(x.float(), LENGTHS, mode="feature")
    assert fitted.scale[1] == 1


def test_a_constant_feature_is_told(caplog: pytest.LogCaptureFixture) -> None:
    x = some_input()
    x[:, :, 1] = 3.0
    with caplog.at_level(logging.WARNING):
        fit(x, LENGTHS, mode="feature")
    assert "1 of 2 features are constant in the training set" in caplog.text
    assert caplog.text.strip().endswith("not scaled: f1")


def test_a_feature_that_is_constant_but_for_padding_is_constant() -> None:
    x = some_input()
    x[:, :, 1] = 3.0
    x[1, 1:, 1] = 8.0
    assert fit(x, LENGTHS, mode="feature").scale[1] == 1


def test_features_that_vary_are_not_told(caplog: pytest.LogCaptureFixture) -> None:
    fit(some_input(), LENGTHS, mode="feature")
    assert caplog.text == ""


@pytest.mark.parametrize("size", [1e-30, 1e-3, 1e5, 1e30])
@pytest.mark.parametrize("mode", ["global", "feature"])
def test_numbers_of_any_size_come_out_near_1(mode: str, size: float) -> None:
    x = size * torch.randn(3, 4, 2)
    standardised = fit(x, LENGTHS, mode=mode)(x)
    assert 0.1 < real_steps_of(standardised).abs().max() < 10


def test_a_large_offset_does_not_drown_a_small_spread() -> None:
    x = (torch.randn(50, 10, 1) + 10_000).float()
    fitted = fit(x, torch.full((50,), 10), mode="feature")
    assert fitted.scale[0].item() == pytest.approx(x.double().std(correction=0).item(), rel=1e-3)


def test_the_lists_of_a_json_file_bring_the_same_float32_back() -> None:
    fitted = fit(some_input().float(), LENGTHS, mode="feature")
    back = Standardization.from_plain(fitted.to_plain())
    assert torch.equal(back.mean, fitted.mean)
    assert torch.equal(back.scale, fitted.scale)


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"data\.standardize='z': need one of none, global"):
        fit(some_input(), LENGTHS, mode="z")

"""The encoders that remember nothing, or everything but the order."""

import numpy as np
import pytest
import torch

from unrolled.encoders.blocks.encoder import Sizes
from unrolled.encoders.identity import Identity
from unrolled.encoders.majority import Majority
from unrolled.encoders.summary import Summary, running_summary, summary_features

LENGTHS = torch.tensor([4, 7, 1, 5])
SIZES = Sizes(input_size=3, num_steps=7)


def some_input(offset: float = 0.0) -> torch.Tensor:
    return offset + torch.randn(len(LENGTHS), int(LENGTHS.max()), 3, dtype=torch.float64)


def by_numpy(sequence: np.ndarray) -> np.ndarray:
    deviation = np.maximum(sequence.std(axis=0), 1e-6)
    statistics = [sequence.mean(0), deviation, sequence.min(0), sequence.max(0)]
    return np.concatenate([*statistics, sequence[0], sequence[-1]])


def test_summary_features_are_numpys_statistics_of_the_real_steps() -> None:
    x = some_input()
    expected = [by_numpy(row[:n].numpy()) for row, n in zip(x, LENGTHS, strict=True)]
    np.testing.assert_allclose(summary_features(x, LENGTHS).numpy(), expected, rtol=1e-7)


def test_a_running_summary_is_that_of_each_beginning() -> None:
    x = some_input()
    expected = [[by_numpy(row[: t + 1].numpy()) for t in range(x.shape[1])] for row in x]
    np.testing.assert_allclose(running_summary(x, None)[0].numpy(), expected, rtol=1e-7)


def test_the_deviation_of_data_far_from_zero_keeps_its_digits_in_single_precision() -> None:
    x = some_input(offset=1e4)
    deviation = summary_features(x.float(), LENGTHS)[:2, 3:6]
    expected = [np.std(row[:n].numpy(), axis=0) for row, n in zip(x, LENGTHS, strict=True)][:2]
    np.testing.assert_allclose(deviation.numpy(), expected, rtol=2e-3)


def test_a_constant_feature_has_finite_gradients() -> None:
    x = torch.ones(2, 5, 1, requires_grad=True)
    summary_features(x, torch.tensor([5, 3])).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_the_majority_encoder_says_the_same_of_everything() -> None:
    encoder = Majority(SIZES)
    assert not encoder(some_input(), LENGTHS).any()


@pytest.mark.parametrize("encoder", [Summary(SIZES), Majority(SIZES)])
def test_a_baseline_has_nothing_to_learn(encoder: torch.nn.Module) -> None:
    assert list(encoder.parameters()) == []


def test_the_identity_hands_on_what_it_is_given() -> None:
    x = some_input()
    assert torch.equal(Identity(SIZES).double()(x, LENGTHS), x)

"""The channels that are computed from each sequence, against plain loops over sequences."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from unrolled.data.channels import Channels, ChannelSettings
from unrolled.errors import DataError

LENGTHS = torch.tensor([9, 1, 4, 9, 6])
ALL = {"per_sequence": True, "differences": True, "level_and_scale": True, "causal": False}


def settings(**changes: bool) -> ChannelSettings:
    return ChannelSettings(**{**ALL, **changes})


def some_input(num_features: int = 2) -> Tensor:
    scales = torch.tensor([0.5, 1.0, 2.0, 3.0, 0.1])[:, None, None]
    return scales * torch.randn(len(LENGTHS), 9, num_features) + torch.randn(5, 1, num_features)


def fitted(x: Tensor, *, num_masks: int = 0, **changes: bool) -> Channels:
    return fitted_on([(x, LENGTHS)], num_masks=num_masks, **changes)


def fitted_on(
    blocks: list[tuple[Tensor, Tensor]], *, num_masks: int = 0, **changes: bool
) -> Channels:
    chosen = settings(**changes)
    num_features = blocks[0][0].shape[2]
    return Channels.fit(blocks, settings=chosen, num_features=num_features, num_masks=num_masks)


def expected_of(values: Any, chosen: ChannelSettings) -> Any:
    """Return all channels, (t, k), of the values, (t, d), of one sequence."""
    rows = []
    before = None
    for step in range(len(values)):
        seen = values[: step + 1] if chosen.causal else values
        mean, deviation = seen.mean(axis=0), seen.std(axis=0)
        row = list(values[step])
        if chosen.per_sequence:
            row += list(np.clip((values[step] - mean) / (deviation + 1e-8), -20, 20))
        if chosen.differences:
            now = list(row)
            row += [a - b for a, b in zip(now, before or now, strict=True)]
            before = now
        if chosen.level_and_scale:
            row += [math.asinh(m) for m in mean] + [math.log(s + 1e-6) for s in deviation]
        rows.append(row)
    return np.array(rows)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"causal": True},
        {"differences": False},
        {"per_sequence": False, "causal": True},
        {"level_and_scale": False},
        {"per_sequence": False, "differences": False},
    ],
)
def test_channels_equal_a_loop_over_sequences(changes: dict[str, bool]) -> None:
    x, chosen = some_input(), settings(**changes)
    channels = fitted(x, **changes)
    lengths = LENGTHS.tolist()
    every = [
        expected_of(row[:length].double().numpy(), chosen)
        for row, length in zip(x, lengths, strict=True)
    ]
    real = np.concatenate(every)
    mean, deviation = real.mean(axis=0), real.std(axis=0)

    actual = channels(x, LENGTHS)

    assert channels.kept == [k for k in range(real.shape[1]) if deviation[k] > 1e-3]
    for row, length, values in zip(actual, lengths, every, strict=True):
        standardised = ((values - mean) / deviation)[:, channels.kept]
        torch.testing.assert_close(row[:length], torch.from_numpy(standardised))
        assert not row[length:].any(), "padding is 0"


def test_nothing_depends_on_the_padding_or_on_the_number_of_sequences_at_once() -> None:
    x = some_input()
    channels = fitted(x)
    expected = channels(x, LENGTHS)
    spoilt = x.masked_fill((torch.arange(9) >= LENGTHS[:, None])[:, :, None], 1e6)
    in_blocks = fitted_on([(spoilt[:2], LENGTHS[:2]), (spoilt[2:], LENGTHS[2:])])

    torch.testing.assert_close(in_blocks(spoilt, LENGTHS), expected)


@pytest.mark.parametrize("num_kept", [1, 2, 5])
def test_causal_channels_of_a_prefix_are_the_prefix_of_the_channels(num_kept: int) -> None:
    x, lengths = some_input(), torch.full((5,), 9)
    channels = fitted(x, causal=True)

    prefix = channels(x[:, :num_kept], torch.full((5,), num_kept))

    torch.testing.assert_close(prefix, channels(x, lengths)[:, :num_kept])


def test_other_channels_depend_on_the_whole_sequence() -> None:
    x, lengths = some_input(), torch.full((5,), 9)
    channels = fitted(x)
    prefix = channels(x[:, :5], torch.full((5,), 5))
    assert not torch.allclose(prefix, channels(x, lengths)[:, :5])


@pytest.mark.parametrize("causal", [False, True])
def test_a_constant_sequence_has_the_smallest_scale_at_any_level(causal: bool) -> None:
    x = some_input(1)
    channels = fitted(x, causal=causal)
    constant = torch.tensor([0.0, 0.1, 1234.567])[:, None, None].expand(3, 9, 1)
    scale = channels.names.index("scale of 0")

    values = channels(constant, torch.full((3,), 9))[:, :, scale]

    assert values.unique().numel() == 1


def test_constant_channels_and_copies_are_left_out() -> None:
    x = torch.randn(5, 9, 3)
    x = (x - x.mean(dim=1, keepdim=True)) / x.std(dim=1, correction=0, keepdim=True)
    x[:, :, 2] = 1.0  # constant
    x[:, :, 1] *= torch.tensor([1.0, 2, 3, 4, 5])[:, None]
    channels = fitted_on([(x, torch.full((5,), 9))], level_and_scale=False)

    assert channels.names == [
        *("0", "1", "1 within its sequence"),
        *("difference of 0", "difference of 1", "difference of 1 within its sequence"),
    ]


def test_all_features_are_kept_if_every_channel_is_constant() -> None:
    x = torch.ones(5, 9, 2)
    channels = fitted(x)
    assert channels.kept == [0, 1]
    assert channels(x, LENGTHS).isfinite().all()


def test_masks_are_kept_as_they_are() -> None:
    x = torch.cat([some_input(), (torch.rand(5, 9, 2) < 0.3).float()], dim=2)
    channels = fitted(x, num_masks=2)
    without = fitted(x[:, :, :2])

    values = channels(x, LENGTHS)

    torch.testing.assert_close(values[:, :, :-2], without(x[:, :, :2], LENGTHS))
    assert torch.equal(values[:, :, -2:], x[:, :, 2:])
    assert channels.names[-2:] == ["0 is missing", "1 is missing"]


def test_plain_values_give_the_same_channels() -> None:
    x = some_input()
    channels = fitted(x)
    assert Channels.from_plain(channels.to_plain()) == channels


def test_another_number_of_features_is_refused() -> None:
    with pytest.raises(DataError, match="trained on 2 features per step, this data has 3"):
        fitted(some_input())(some_input(3), LENGTHS)

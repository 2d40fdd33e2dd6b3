"""Sequences in blocks: what is computed does not depend on the size of the blocks."""

import pytest
import torch
from torch import Tensor

from unrolled.contracts import Sequences
from unrolled.data import selection
from unrolled.data.moments import Moments
from unrolled.data.selection import Selection, joined


def some_sequences() -> Sequences:
    return Sequences.of_equal_length(torch.randn(7, 3, 2), torch.arange(7) % 2, first_id=10)


@pytest.mark.parametrize("block_values", [1, 12, 1000])
def test_joined_blocks_are_the_selected_rows_in_single_precision(
    block_values: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "BLOCK_VALUES", block_values)
    whole, rows = some_sequences(), torch.tensor([5, 0, 3, 6, 1])

    blocks = list(Selection(whole, rows).blocks())
    found = joined(iter(blocks), num_sequences=len(rows))

    assert {block.x.dtype for block in blocks} == {torch.float64}
    assert max(map(len, blocks)) == max(1, min(block_values // 6, len(rows)))
    for tensor, expected in zip(found.tensors(), whole.take(rows).tensors(), strict=True):
        assert torch.equal(tensor, expected)
    assert found.x.dtype == torch.float32


def split(x: Tensor) -> list[Tensor]:
    return [x[:1], x[1:40], x[40:]]


@pytest.mark.parametrize("level", [0.0, 1e9])
def test_moments_of_blocks_are_those_of_all_steps(level: float) -> None:
    x = torch.randn(100, 3, dtype=torch.float64) + level
    found = Moments.of(split(x))
    assert found.count == 100
    torch.testing.assert_close(found.mean, x.mean(dim=0), rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(found.deviation, x.std(dim=0, correction=0), rtol=1e-6, atol=0)
    assert torch.equal(found.low, x.amin(dim=0))
    assert torch.equal(found.high, x.amax(dim=0))


def test_moments_over_features_are_those_of_all_numbers() -> None:
    x = torch.randn(100, 3, dtype=torch.float64) * torch.tensor([1.0, 5.0, 0.1]) + 3
    found = Moments.of(split(x)).over_features()
    assert found.mean.item() == pytest.approx(x.mean().item())
    assert found.deviation.item() == pytest.approx(x.std(correction=0).item())
    assert (found.low.item(), found.high.item()) == (x.min().item(), x.max().item())

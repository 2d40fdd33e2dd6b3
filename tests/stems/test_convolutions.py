"""The convolutions against plain torch modules that see one sequence at a time."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from unrolled.encoders.blocks.encoder import Sizes
from unrolled.stems.convolutions import Convolutions

D, K = 3, 4  # features of the data, channels
LENGTHS = torch.tensor([13, 1, 7, 12])


def make(
    *,
    num_steps: int = 13,
    stride: int | None = 2,
    pool: int | None = 3,
    causal: bool = False,
) -> Convolutions:
    torch.manual_seed(0)
    stem = Convolutions(
        Sizes(D, num_steps), channels=K, stride=stride, pool=pool, causal=causal
    ).double()
    with torch.no_grad():
        for parameter in stem.parameters():
            parameter.add_(torch.randn_like(parameter))
        for name, buffer in stem.named_buffers():
            if "running" in name:
                buffer.copy_(torch.rand_like(buffer) + 0.5)
    return stem.eval()


def some_input() -> Tensor:
    return torch.randn(len(LENGTHS), int(LENGTHS.max()), D, dtype=torch.float64)


def alone(stem: Convolutions, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the features, (u, k), and the summary, (k,), of a sequence (t, d)."""
    rows = x.mT[None]
    for number, layer in enumerate(stem.layers):
        kernel = layer.convolution.weight.squeeze(2)
        size, stride = kernel.shape[2], stem.stride if number == 0 else 1
        before = size - stride if stem.causal else (size - stride) // 2
        rows = functional.conv1d(functional.pad(rows, (before, 2 * size)), kernel, stride=stride)
        rows = rows[:, :, : -(-x.shape[0] // stem.stride)]
        norm = layer.normalization
        rows = functional.batch_norm(
            rows, norm.running_mean, norm.running_var, norm.weight, norm.bias
        ).relu()
    means = [part.mean(dim=2)[0] for part in rows.split(stem.pool, dim=2)]
    return torch.stack(means), rows.mean(dim=2)[0]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("stride", "pool"), [(1, 1), (1, 4), (2, 3), (5, 2)])
def test_each_sequence_of_a_batch_is_as_if_it_were_alone(
    stride: int, pool: int, causal: bool
) -> None:
    stem, x = make(stride=stride, pool=pool, causal=causal), some_input()

    features, lengths, summaries = stem(x, LENGTHS)

    for row, length in enumerate(LENGTHS.tolist()):
        expected, summary = alone(stem, x[row, :length])
        torch.testing.assert_close(features[row, : lengths[row]], expected)
        assert summaries is not None
        torch.testing.assert_close(summaries[row], summary)


def test_the_statistics_of_training_are_those_of_real_steps() -> None:
    stem, x = make(stride=1).train(), some_input()
    padded = torch.cat([x, torch.full_like(x, 1e6)], dim=1)
    expected = stem(x, LENGTHS)
    statistics = [buffer.clone() for buffer in stem.buffers()]

    other = make(stride=1).train()
    actual = other(padded, LENGTHS)

    torch.testing.assert_close(actual.x[:, : expected.x.shape[1]], expected.x)
    assert actual.summary is not None
    assert expected.summary is not None
    torch.testing.assert_close(actual.summary, expected.summary)
    torch.testing.assert_close(list(other.buffers()), statistics)


@pytest.mark.parametrize("num_kept", [1, 5, 6, 12])
def test_causal_features_do_not_depend_on_later_samples(num_kept: int) -> None:
    stem, x = make(stride=2, pool=3, causal=True), torch.randn(2, 13, D, dtype=torch.float64)
    whole = stem(x, torch.tensor([13, 13])).x

    start = stem(x[:, :num_kept], torch.tensor([num_kept] * 2)).x

    finished = num_kept // 6  # means whose samples are all in the beginning
    torch.testing.assert_close(start[:, :finished], whole[:, :finished])


def test_centred_features_depend_on_later_samples() -> None:
    stem, x = make(stride=2, pool=3, causal=False), torch.randn(2, 13, D, dtype=torch.float64)
    whole = stem(x, torch.tensor([13, 13])).x
    assert not torch.allclose(stem(x[:, :6], torch.tensor([6, 6])).x[:, 0], whole[:, 0])


def test_one_real_step_in_training_uses_the_running_statistics() -> None:
    stem = make(stride=1, pool=1)
    x, lengths = torch.randn(1, 1, D, dtype=torch.float64), torch.tensor([1])
    torch.testing.assert_close(stem.train()(x, lengths).x, stem.eval()(x, lengths).x)


@pytest.mark.parametrize(
    ("num_steps", "stride", "pool", "expected"),
    [
        (1, None, None, 1),
        (150, None, None, 50),
        (1460, None, None, 49),
        (150, 4, None, 38),
        (1460, 1, None, 49),
    ],
)
def test_output_size_is_known_before(
    num_steps: int, stride: int | None, pool: int | None, expected: int
) -> None:
    stem = make(num_steps=num_steps, stride=stride, pool=pool)
    x = torch.zeros(1, num_steps, D, dtype=torch.float64)

    features, lengths, summary = stem(x, torch.tensor([num_steps]))

    assert features.shape == (1, expected, K)
    assert lengths.tolist() == [expected]
    assert stem.output == Sizes(K, expected)
    assert summary is not None
    assert summary.shape == (1, stem.summary_size)


@pytest.mark.parametrize("name", ["stride", "pool"])
def test_a_size_below_one_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"need {name} >= 1, got {name}=0"):
        make(**{name: 0})


def test_gradients_are_correct() -> None:
    stem = make(stride=2, pool=2).train()
    x = torch.randn(2, 7, D, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([7, 4])

    def outputs(x: Tensor) -> tuple[Tensor, ...]:
        features, _, summary = stem(x, lengths)
        assert summary is not None
        return features, summary

    for layer in stem.layers:
        assert isinstance(layer.normalization, nn.BatchNorm1d)
        layer.normalization.track_running_stats = False
        layer.normalization.running_mean = layer.normalization.running_var = None
    assert torch.autograd.gradcheck(outputs, (x,))

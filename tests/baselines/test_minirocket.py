"""MiniRocket against numpy loops, and ridge against scikit-learn and explicit refits."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from unrolled.baselines.minirocket import MiniRocket
from unrolled.baselines.ridge import fit_ridge


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def fitted(*, d: int = 1, lengths: list[int] | None = None, t: int = 40) -> MiniRocket:
    lengths = lengths or [t] * 6
    y = torch.arange(6) % 3
    model = MiniRocket(num_features=84 * 7, seed=1)
    return model.fit(noise(6, max(lengths), d), lengths=torch.tensor(lengths), y=y, num_classes=3)


def output(x: np.ndarray, kernel: int, dilation: int) -> np.ndarray:
    """Return a kernel's outputs on a sequence of one feature, step by step."""
    chosen = list(combinations(range(9), 3))[kernel]
    result = np.zeros(len(x))
    for step in range(len(x)):
        for tap in range(9):
            place = step + (tap - 4) * dilation
            if 0 <= place < len(x):
                result[step] += (2.0 if tap in chosen else -1.0) * x[place]
    return result


@pytest.mark.parametrize(("d", "length"), [(1, 40), (3, 40), (1, 23)])
def test_features_are_shares_of_outputs_above_the_bias(d: int, length: int) -> None:
    model = fitted(d=d, lengths=[40, 40, 40, 40, 40, 25])
    x = noise(1, 40, d, seed=5)

    features = model.features(x, torch.tensor([length]))[0].reshape(-1, 84)  # (biases, 84)

    column = 0
    for index, (dilation, count) in enumerate(
        zip(model.dilations.tolist(), model.counts.tolist(), strict=True)
    ):
        for _ in range(count):
            for kernel in (0, 1, 41, 83):
                read = x[0, :length].double().numpy() @ model.channels[index, kernel].numpy()
                values = output(read, kernel, dilation)
                margin = 4 * dilation
                if (kernel + index) % 2 and min(25, length) > 2 * margin:
                    values = values[margin:-margin]
                share = (values > model.biases[kernel, column].item()).mean()
                assert features[column, kernel].item() == pytest.approx(share, abs=1e-6)
            column += 1
    assert column == 7


@pytest.mark.parametrize("p", [4, 30], ids=["primal", "dual"])
def test_left_out_scores_are_those_of_refits_without_the_sequence(p: int) -> None:
    x, y = noise(12, p).double(), torch.arange(12) % 3

    ridge = fit_ridge(x, y=y, num_classes=3)

    targets = np.eye(3)[y.numpy()] * 2 - 1
    whole = Ridge(alpha=ridge.alpha).fit(x.numpy(), targets)
    np.testing.assert_allclose(ridge.weights, whole.coef_.T, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(ridge.intercept, whole.intercept_, rtol=1e-7, atol=1e-9)
    for row in range(12):
        rest = np.arange(12) != row
        refit = Ridge(alpha=ridge.alpha).fit(x.numpy()[rest], targets[rest])
        np.testing.assert_allclose(
            ridge.left_out[row], refit.predict(x.numpy()[row : row + 1])[0], rtol=1e-6, atol=1e-8
        )


def test_the_penalty_has_the_smallest_left_out_error() -> None:
    x, y = noise(30, 5).double(), torch.arange(30) % 2
    x[:, 0] += 2 * y
    alphas = torch.tensor([1e-2, 1.0, 30.0, 1e4], dtype=torch.float64)
    targets = torch.nn.functional.one_hot(y, 2) * 2 - 1

    errors = [
        (fit_ridge(x, y=y, num_classes=2, alphas=alphas[i : i + 1]).left_out - targets)
        .square()
        .mean()
        for i in range(4)
    ]

    best = fit_ridge(x, y=y, num_classes=2, alphas=alphas).alpha
    assert best == alphas[torch.stack(errors).argmin()]


def test_a_saved_classifier_gives_the_same_probabilities(tmp_path: Path) -> None:
    model = fitted(d=2)
    x, lengths = noise(4, 55, 2, seed=9), torch.tensor([55, 40, 9, 1])  # longer than training
    torch.save(model.state_dict(), tmp_path / "model.pt")

    other = MiniRocket(num_features=84 * 7, seed=8)
    other.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))

    expected = model.probabilities(x, lengths)
    assert torch.equal(other.probabilities(x, lengths), expected)
    torch.testing.assert_close(expected.sum(dim=1), torch.ones(4, dtype=torch.float64))


def test_the_precision_of_a_trainer_does_not_change_probabilities() -> None:
    model = fitted()
    x, lengths = noise(3, 40, 1, seed=4), torch.tensor([40, 40, 12])
    expected = model.probabilities(x, lengths)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = model.half().probabilities(x, lengths)

    assert torch.equal(mixed, expected)


def test_padding_and_batch_size_do_not_change_probabilities() -> None:
    model = fitted(lengths=[40, 33, 20, 12, 40, 9])
    x = noise(3, 30, 1, seed=2)
    padded = torch.cat([x[1:2, :17], torch.full((1, 60, 1), 1e6)], dim=1)

    together = model.probabilities(x, torch.tensor([30, 17, 8]))

    alone = model.probabilities(padded, torch.tensor([17]))
    torch.testing.assert_close(alone[0], together[1])


@pytest.mark.parametrize("t", [1, 5, 8])
def test_short_and_constant_sequences_get_probabilities(t: int) -> None:
    x = noise(2, t, 12)
    x[1] = 0.5
    lengths = torch.tensor([t, t])
    model = MiniRocket(num_features=84, seed=0)
    model.fit(x, lengths=lengths, y=torch.tensor([1, 0]), num_classes=2)  # one sequence per class
    assert model.probabilities(x, lengths).isfinite().all()


def test_features_that_are_constant_in_training_are_not_amplified() -> None:
    x = torch.zeros(4, 7, 1)
    x[::2] = noise(2, 7, 1)
    lengths = torch.tensor([3, 7, 6, 5])
    model = MiniRocket(num_features=9996, seed=0)
    model.fit(x, lengths=lengths, y=torch.arange(4) % 2, num_classes=2)
    assert model.scale.min() > 1e-3

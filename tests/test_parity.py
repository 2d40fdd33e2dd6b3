"""What a recurrence can compute: parity needs a state that changes sign.

Trained on sequences of at most 40 bits with a curriculum of lengths, tested on 41 to 200. A tanh
RNN and an LSTM learn it; a recurrence with positive eigenvalues only cannot (Grazzi et al. 2025,
Unlocking state-tracking in linear RNNs through negative eigenvalues, theorem 1).
"""

from collections.abc import Callable
from types import SimpleNamespace

import pytest

Train = Callable[..., SimpleNamespace]


def accuracy_on_longer_ones(train_in: Train, *overrides: str) -> float:
    run = train_in(*overrides, "data.source.num_test=1000")
    accuracy: float = run.record["scores"]["test/accuracy"]
    return accuracy


@pytest.mark.rare
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("model", ["rnn", "lstm"])
def test_parity_is_learnt_by_what_can_change_sign(model: str, train_in: Train) -> None:
    experiment = f"experiment=parity_{model}"
    assert any(
        accuracy_on_longer_ones(train_in, experiment, f"seed={seed}") >= 0.99 for seed in (1, 2, 3)
    )


@pytest.mark.rare
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("model", ["mingru", "minlstm"])
def test_parity_is_not_learnt_with_positive_eigenvalues_only(model: str, train_in: Train) -> None:
    assert accuracy_on_longer_ones(train_in, "experiment=parity", f"model={model}", "seed=1") <= 0.6

"""What a recurrence can compute: parity needs a state that changes sign.

Trained on sequences of at most 40 bits with a curriculum of lengths, tested on 41 to 200. A tanh
RNN and an LSTM learn it; a recurrence with positive eigenvalues only cannot (Grazzi et al. 2025,
Unlocking state-tracking in linear RNNs through negative eigenvalues, theorem 1).
"""

from collections import deque

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from conftest import compose
from unrolled.building import build_classifier
from unrolled.classifier import SequenceClassifier

LONGEST, NUM_STEPS, BATCH_SIZE = 40, 3_000, 128


def parity(lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Return random bits as +-1, (b, t, 1), zero behind each length, and how odd their sum is."""
    steps = torch.arange(int(lengths.max()))
    bits = torch.randint(2, (len(lengths), len(steps))) * (steps < lengths[:, None])
    signs = (2.0 * bits - 1.0) * (steps < lengths[:, None])
    return signs[:, :, None], bits.sum(dim=1) % 2


def make(model: str, seed: int) -> SequenceClassifier:
    torch.manual_seed(seed)
    config = compose(f"model={model}", "model.hidden_size=64", "head.dropout=0")
    return build_classifier(
        config, num_features=1, num_steps=200, num_classes=2, class_weights=None
    )


def train(classifier: SequenceClassifier) -> None:
    optimizer = torch.optim.Adam(classifier.parameters(), lr=1e-3)
    longest, newest = 2, deque[float](maxlen=20)
    for _ in range(NUM_STEPS):
        lengths = torch.randint(1, longest + 1, (BATCH_SIZE,))
        x, y = parity(lengths)
        logits = classifier(x, lengths)
        optimizer.zero_grad()
        functional.cross_entropy(logits, y).backward()
        nn.utils.clip_grad_norm_(classifier.parameters(), 1.0)
        optimizer.step()
        newest.append((logits.argmax(1) == y).float().mean().item())
        if sum(newest) > 0.98 * 20 and longest < LONGEST:
            longest, newest = min(2 * longest, LONGEST), deque[float](maxlen=20)


@torch.no_grad()
def accuracy_on_longer_ones(classifier: SequenceClassifier) -> float:
    lengths = torch.randint(LONGEST + 1, 201, (1_000,))
    x, y = parity(lengths)
    return (classifier.eval()(x, lengths).argmax(1) == y).float().mean().item()


def learnt(model: str, seed: int) -> float:
    classifier = make(model, seed)
    train(classifier)
    return accuracy_on_longer_ones(classifier)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("model", ["rnn", "lstm"])
def test_parity_is_learnt_by_what_can_change_sign(model: str) -> None:
    assert any(learnt(model, seed) >= 0.99 for seed in range(3))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("model", ["mingru", "minlstm"])
def test_parity_is_not_learnt_with_positive_eigenvalues_only(model: str) -> None:
    assert learnt(model, seed=0) <= 0.6

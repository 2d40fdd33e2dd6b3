"""Parallel encoders and their gradients stay finite over 16,384 steps."""

import pytest
import torch

from unrolled.config.composition import compose_config
from unrolled.encoders.blocks.attention import sinusoids
from unrolled.training.trainer import build_classifier

NUM_STEPS = 16_384
AT_ONCE = ("mingru", "minlstm", "lru", "s4d", "lmu_fft")


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])  # gates at 0.5, typical, open or closed
@pytest.mark.parametrize("model", AT_ONCE)
def test_16384_steps_have_finite_hidden_states_and_gradients(model: str, scale: float) -> None:
    settings = ("num_layers=1", "residual=false", "mixing=false", "hidden_size=4")
    classifier = build_classifier(
        compose_config([f"model={model}", *(f"model.{setting}" for setting in settings)]),
        num_features=3,
        num_steps=NUM_STEPS,
        num_classes=2,
        class_weights=None,
    )
    x = scale * torch.randn(1, NUM_STEPS, 3)
    hidden = classifier.network.encoder(x, torch.tensor([NUM_STEPS]))
    hidden.square().mean().backward()
    assert hidden.isfinite().all()
    for name, parameter in classifier.network.encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_positions_of_a_transformer_are_counted_exactly_in_bfloat16() -> None:
    positions = torch.tensor([[1001, 1003]])
    half = sinusoids(positions, size=8, dtype=torch.bfloat16)
    single = sinusoids(positions, size=8, dtype=torch.float32)
    torch.testing.assert_close(half.float(), single, rtol=0, atol=0.01)

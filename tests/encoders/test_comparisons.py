"""Encoders without recurrence and the residual block, against independent implementations."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from unrolled.encoders.blocks.encoder import Sizes
from unrolled.encoders.blocks.residual import ResidualStack
from unrolled.encoders.cnn import CNN
from unrolled.encoders.lru import LRU
from unrolled.encoders.mingru import MinGRU
from unrolled.encoders.mlp import MLP
from unrolled.encoders.tcn import TCN
from unrolled.encoders.transformer import Transformer
from unrolled.errors import DataError

B, T, D, H = 3, 9, 4, 8
LENGTHS = torch.tensor([T, 4, 1])
SIZES = Sizes(input_size=D, num_steps=T)


def some_input() -> Tensor:
    return torch.randn(B, T, D, dtype=torch.float64)


def assert_same(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-7, atol=1e-12)


def test_the_transformer_equals_torchs_with_the_same_weights() -> None:
    encoder = Transformer(SIZES, hidden_size=H, num_layers=2, num_heads=2, dropout=0.0)
    encoder = encoder.double()
    x = some_input()
    stream = encoder.embedding(x)
    for t in range(T):
        for pair in range(H // 2):
            angle = t / 10_000 ** (2 * pair / H)
            stream[:, t, pair] += torch.sin(torch.tensor(angle, dtype=torch.float64))
            stream[:, t, H // 2 + pair] += torch.cos(torch.tensor(angle, dtype=torch.float64))
    mask = nn.Transformer.generate_square_subsequent_mask(T, dtype=torch.float64)
    for block in encoder.blocks:
        theirs = nn.TransformerEncoderLayer(
            H, 2, 4 * H, 0.0, "gelu", batch_first=True, norm_first=True, dtype=torch.float64
        )
        names = {
            "attention.input.weight": "self_attn.in_proj_weight",
            "attention.input.bias": "self_attn.in_proj_bias",
            "attention.output": "self_attn.out_proj",
            "attention_norm": "norm1",
            "mlp_norm": "norm2",
            "mlp.0": "linear1",
            "mlp.2": "linear2",
        }
        state = {}
        for key, value in block.state_dict().items():
            ours = next(name for name in names if key.startswith(name))
            state[key.replace(ours, names[ours])] = value
        theirs.load_state_dict(state)
        stream = theirs(stream, src_mask=mask)
    assert_same(encoder(x, LENGTHS), encoder.norm(stream))


def convolved(x: Tensor, convolution: nn.Conv1d, *, dilation: int) -> Tensor:
    """Return the causal convolution of one sequence, tap by tap."""
    rows = []
    for t in range(len(x)):
        row = convolution.bias.clone()
        for tap in range(convolution.kernel_size[0]):
            earlier = t - dilation * (convolution.kernel_size[0] - 1 - tap)
            if earlier >= 0:
                row = row + convolution.weight[:, :, tap] @ x[earlier]
        rows.append(row)
    return torch.stack(rows)


def test_the_tcn_equals_its_convolutions_tap_by_tap() -> None:
    encoder = TCN(SIZES, hidden_size=H, num_layers=2, kernel_size=3, dropout=0.0).double()
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    x = some_input()
    for row, actual in zip(x, encoder(x, LENGTHS), strict=True):
        hidden = row
        for index, block in enumerate(encoder.blocks):
            first, second = block.convolutions
            inner = convolved(hidden, first, dilation=2**index).relu()
            inner = convolved(inner, second, dilation=2**index).relu()
            hidden = (block.residual(hidden) + inner).relu()
        assert_same(actual, hidden)


def test_tcn_weights_are_normalized() -> None:
    encoder = TCN(SIZES, hidden_size=H, num_layers=1, kernel_size=3, dropout=0.0)
    names = [name for name, _ in encoder.named_parameters() if "parametrizations" in name]
    assert len(names) == 4  # length and direction of each convolution


def test_every_eighth_step_of_the_cnn_equals_three_convolutions_of_stride_two() -> None:
    encoder = CNN(SIZES, hidden_size=H, kernel_sizes=[5, 3, 3]).double()
    x = torch.randn(2, 40, D, dtype=torch.float64)
    hidden = x.mT
    for convolution in encoder.convolutions:
        assert isinstance(convolution, torch.nn.Conv1d)
        # one zero less than causal, because windows end at every second step
        hidden = functional.pad(hidden, (convolution.kernel_size[0] - 2, 0))
        hidden = functional.conv1d(hidden, convolution.weight, convolution.bias, stride=2).relu()
    assert hidden.shape == (2, H, 5)
    assert_same(encoder(x, torch.tensor([40, 40]))[:, 7::8], hidden.mT)


@pytest.mark.parametrize("kernel_sizes", [[], [3, 0]])
def test_a_cnn_without_layers_or_with_empty_kernels_is_refused(kernel_sizes: list[int]) -> None:
    with pytest.raises(ValueError, match=r"need kernel_sizes >= 1, one per layer"):
        CNN(SIZES, hidden_size=H, kernel_sizes=kernel_sizes)


def test_the_mlp_equals_a_perceptron_of_the_flattened_sequence() -> None:
    encoder = MLP(SIZES, hidden_size=H, num_layers=2, dropout=0.0).double()
    x = some_input()
    hidden = encoder(x, LENGTHS)
    for row, length in enumerate(LENGTHS):
        flat = functional.pad(x[row, :length], (0, 0, 0, T - int(length))).flatten()
        first = torch.relu(flat @ encoder.weight.flatten(0, 1) + encoder.bias)
        assert_same(hidden[row, length - 1], torch.relu(encoder.layers[0](first)))


def test_the_mlp_refuses_a_sequence_longer_than_its_weights() -> None:
    encoder = MLP(
        Sizes(input_size=D, num_steps=T - 1), hidden_size=H, num_layers=1, dropout=0.0
    ).double()
    with pytest.raises(DataError, match=r"weights for 8 steps.*got 9 steps.*data\.max_length=8"):
        encoder(some_input(), LENGTHS)
    _, state = encoder.read(some_input()[:, :5], None, None)
    with pytest.raises(DataError, match=r"weights for 8 steps.*got 10 steps"):
        encoder.read(some_input()[:, :5], None, state)


BLOCK: dict[str, Any] = {
    "hidden_size": H,
    "num_layers": 2,
    "residual": True,
    "mixing": True,
    "conv_size": 3,
    "dropout": 0.0,
    "recurrent_lr_scale": 1.0,
    "kernel": "torch",
}


def test_a_residual_block_equals_its_formula() -> None:
    encoder, x = ResidualStack(SIZES, layer=MinGRU, **BLOCK).double(), some_input()
    stream = encoder.embedding(x)
    for block in encoder.blocks:
        normed = functional.layer_norm(stream, (H,), block.norm.weight, block.norm.bias)
        taps = [functional.pad(normed, (0, 0, 2, 0))[:, tap : tap + T] for tap in range(3)]
        weights = block.convolution.weight[:, 0]  # (h, taps)
        smooth = sum(part * weights[:, tap] for tap, part in enumerate(taps))
        hidden = functional.gelu(block.layer(smooth + block.convolution.bias))
        value, gate = block.mix[1](hidden).chunk(2, dim=-1)
        stream = stream + value * torch.sigmoid(gate)
    assert_same(encoder(x, LENGTHS), encoder.norm(stream))


@pytest.mark.parametrize("residual", [True, False])
def test_dropout_is_active_in_training_only(residual: bool) -> None:
    bare = {} if residual else {"mixing": False, "conv_size": 0}
    encoder = ResidualStack(
        SIZES, layer=MinGRU, **{**BLOCK, "residual": residual, **bare, "dropout": 0.5}
    ).double()
    x = some_input()
    assert not torch.equal(encoder.train()(x, LENGTHS), encoder(x, LENGTHS))
    assert torch.equal(encoder.eval()(x, LENGTHS), encoder(x, LENGTHS))


def test_a_single_bare_layer_has_no_dropout() -> None:
    bare = {"residual": False, "mixing": False, "conv_size": 0, "dropout": 0.5, "num_layers": 1}
    encoder, x = ResidualStack(SIZES, layer=MinGRU, **{**BLOCK, **bare}).double(), some_input()
    assert torch.equal(encoder.train()(x, LENGTHS), encoder.eval()(x, LENGTHS))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_layers": 0}, r"num_layers >= 1.*num_layers=0"),
        ({"dropout": 1.0}, r"0 <= dropout < 1, got dropout=1\.0"),
        ({"conv_size": -1}, r"conv_size >= 0.*conv_size=-1"),
        ({"recurrent_lr_scale": 0.0}, r"recurrent_lr_scale > 0"),
        ({"residual": False}, r"need residual=true"),
        ({"hidden_size": 0}, r"hidden_size >= 1, got hidden_size=0"),
    ],
)
def test_a_bad_argument_is_refused_with_rule_and_value(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ResidualStack(SIZES, layer=MinGRU, **{**BLOCK, **changes})


def test_recurrent_parameters_are_a_group_of_their_own_without_decay() -> None:
    lru = partial(LRU, state_size=5, r_min=0.1, r_max=0.9, max_phase=1.0)
    encoder = ResidualStack(SIZES, layer=lru, **{**BLOCK, "recurrent_lr_scale": 0.25})
    *_, recurrent = encoder.parameter_groups()
    assert recurrent["lr_scale"] == 0.25
    assert not recurrent["decay"]
    names = {id(p): name.rsplit(".", 1)[-1] for name, p in encoder.named_parameters()}
    assert {names[id(p)] for p in recurrent["params"]} == {"log_nu", "log_theta", "log_gamma"}

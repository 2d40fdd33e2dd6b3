"""RNN, LSTM and GRU against torch's own stacked modules and against their equations."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from unrolled.encoders.blocks.encoder import Sizes
from unrolled.encoders.blocks.stacked import RecurrentLayer, Stacked, torch_key
from unrolled.encoders.gru import GRU
from unrolled.encoders.lstm import LSTM
from unrolled.encoders.rnn import RNN

D, H = 3, 6
LENGTHS = torch.tensor([4, 7, 1, 5])

DEFAULTS: dict[str, Any] = {
    "hidden_size": H,
    "num_layers": 1,
    "bidirectional": False,
    "dropout": 0.0,
    "learn_initial_state": False,
    "initialization": "torch",
    "chrono_steps": None,
    "kernel": "torch",
}
CELLS: dict[str, tuple[type[RecurrentLayer], dict[str, Any], Callable[..., nn.RNNBase]]] = {
    "tanh": (RNN, {"nonlinearity": "tanh"}, nn.RNN),
    "relu": (RNN, {"nonlinearity": "relu"}, partial(nn.RNN, nonlinearity="relu")),
    "lstm": (LSTM, {"forget_bias": None}, nn.LSTM),
    "gru": (GRU, {}, nn.GRU),
}
each_cell = pytest.mark.parametrize("cell", CELLS)
each_depth = pytest.mark.parametrize("num_layers", [1, 2, 3])
each_direction = pytest.mark.parametrize("bidirectional", [False, True], ids=["one_way", "both"])


def make(cell: str, *, input_size: int = D, **changes: Any) -> Stacked:
    layer, settings, _ = CELLS[cell]
    of_layer = {key: changes.pop(key, value) for key, value in settings.items()}
    sizes = Sizes(input_size=input_size, num_steps=int(LENGTHS.max()))
    return Stacked(sizes, layer=partial(layer, **of_layer), **{**DEFAULTS, **changes})


def make_torch(cell: str, *, num_layers: int = 1, bidirectional: bool = False) -> nn.RNNBase:
    return CELLS[cell][2](D, H, num_layers, bidirectional=bidirectional, batch_first=True)


def some_input() -> Tensor:
    return torch.randn(len(LENGTHS), int(LENGTHS.max()), D, dtype=torch.float64)


def real_steps_of(hidden: Tensor) -> Tensor:
    return hidden[torch.arange(hidden.shape[1]) < LENGTHS[:, None]]


def weights_for_torch(encoder: Stacked) -> dict[str, Tensor]:
    return {torch_key(k): v for k, v in encoder.state_dict().items() if k.startswith("layers.")}


def packed_output(reference: nn.RNNBase, x: Tensor, state: Any = None) -> Tensor:
    packed = pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(reference(packed, state)[0], batch_first=True)[0]


def assert_same(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-7, atol=1e-12)


@each_direction
@each_depth
@each_cell
def test_hidden_states_equal_torchs_on_packed_input(
    cell: str, num_layers: int, bidirectional: bool
) -> None:
    encoder = make(cell, num_layers=num_layers, bidirectional=bidirectional).double()
    reference = make_torch(cell, num_layers=num_layers, bidirectional=bidirectional).double()
    reference.load_state_dict(weights_for_torch(encoder))
    x = some_input()
    hidden = encoder(x, LENGTHS)
    assert_same(real_steps_of(hidden), real_steps_of(packed_output(reference, x)))


@each_direction
@each_cell
def test_a_trained_initial_state_equals_torchs_initial_state(
    cell: str, bidirectional: bool
) -> None:
    encoder = make(cell, num_layers=2, bidirectional=bidirectional, learn_initial_state=True)
    encoder = encoder.double()
    nn.init.normal_(encoder.initial_state)
    reference = make_torch(cell, num_layers=2, bidirectional=bidirectional).double()
    reference.load_state_dict(weights_for_torch(encoder))
    start = encoder.initial_state.detach().flatten(0, 1)  # (layers * directions, states, h)
    states = [s[:, None].expand(-1, len(LENGTHS), -1).contiguous() for s in start.unbind(1)]
    x = some_input()
    expected = packed_output(reference, x, tuple(states) if cell == "lstm" else states[0])
    assert_same(real_steps_of(encoder(x, LENGTHS)), real_steps_of(expected))


def tanh_step(x: Tensor, h: Tensor, c: Tensor, w: Tensor, u: Tensor, b: Tensor, b2: Tensor) -> Any:
    return torch.tanh(w @ x + b + u @ h + b2), c


def relu_step(x: Tensor, h: Tensor, c: Tensor, w: Tensor, u: Tensor, b: Tensor, b2: Tensor) -> Any:
    return (w @ x + b + u @ h + b2).clamp(min=0), c


def lstm_step(x: Tensor, h: Tensor, c: Tensor, w: Tensor, u: Tensor, b: Tensor, b2: Tensor) -> Any:
    i, f, g, o = (w @ x + b + u @ h + b2).chunk(4)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def gru_step(x: Tensor, h: Tensor, c: Tensor, w: Tensor, u: Tensor, b: Tensor, b2: Tensor) -> Any:
    (xr, xz, xn), (hr, hz, hn) = (w @ x + b).chunk(3), (u @ h + b2).chunk(3)
    r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
    n = torch.tanh(xn + r * hn)
    return (1 - z) * n + z * h, c


STEPS = {"tanh": tanh_step, "relu": relu_step, "lstm": lstm_step, "gru": gru_step}


@each_direction
@each_cell
def test_one_layer_equals_a_loop_of_its_equations(cell: str, bidirectional: bool) -> None:
    encoder = make(cell, bidirectional=bidirectional).double()
    x = some_input()
    hidden = encoder(x, LENGTHS)
    for direction, layer in enumerate(encoder.layers[0]):
        weights = list(layer.parameters())
        for row, length in enumerate(LENGTHS.tolist()):
            h = c = torch.zeros(H, dtype=torch.float64)
            steps = range(length) if direction == 0 else reversed(range(length))
            for step in steps:
                h, c = STEPS[cell](x[row, step], h, c, *weights)
                assert_same(hidden[row, step, direction * H : (direction + 1) * H], h)


@each_direction
@each_depth
@each_cell
def test_torch_initialization_draws_what_torch_draws(
    cell: str, num_layers: int, bidirectional: bool
) -> None:
    torch.manual_seed(3)
    encoder = make(cell, num_layers=num_layers, bidirectional=bidirectional)
    torch.manual_seed(3)
    reference = make_torch(cell, num_layers=num_layers, bidirectional=bidirectional)
    ours = {torch_key(name): p for name, p in encoder.named_parameters()}
    assert list(ours) == [name for name, _ in reference.named_parameters()]
    assert all(torch.equal(ours[name], p) for name, p in reference.named_parameters())


def recurrent_gates(encoder: Stacked) -> list[Tensor]:
    matrices = [p for name, p in encoder.named_parameters() if ".weight_hh_" in name]
    return [gate for matrix in matrices for gate in matrix.split(H)]


@each_cell
def test_orthogonal_initialization_makes_each_gate_orthogonal(cell: str) -> None:
    encoder = make(cell, num_layers=2, bidirectional=True, initialization="orthogonal")
    gates = recurrent_gates(encoder)
    assert len(gates) == 4 * {"lstm": 4, "gru": 3}.get(cell, 1)
    for gate in gates:
        torch.testing.assert_close(gate @ gate.T, torch.eye(H))


@each_cell
def test_orthogonal_gates_differ_from_each_other(cell: str) -> None:
    gates = recurrent_gates(make(cell, num_layers=2, initialization="orthogonal"))
    assert not any(torch.equal(one, other) for one, other in pairwise(gates))


@each_cell
def test_identity_initialization_makes_each_gate_the_identity(cell: str) -> None:
    for gate in recurrent_gates(make(cell, num_layers=2, initialization="identity")):
        assert torch.equal(gate, torch.eye(H))


def test_irnn_starts_with_the_identity_and_small_input_weights() -> None:
    encoder = make("relu", input_size=200, hidden_size=100, initialization="irnn")
    layer = encoder.layers[0][0]
    assert torch.equal(layer.weight_hh_l0, torch.eye(100))
    assert 0.00095 < layer.weight_ih_l0.std() < 0.00105


@pytest.mark.parametrize("initialization", ["orthogonal", "identity"])
@each_cell
def test_input_weights_of_each_gate_follow_glorot(cell: str, initialization: str) -> None:
    encoder = make(cell, input_size=200, hidden_size=100, initialization=initialization)
    bound = (6 / (200 + 100)) ** 0.5
    for gate in encoder.layers[0][0].weight_ih_l0.split(100):
        assert bound * 0.99 < gate.abs().max() <= bound


@pytest.mark.parametrize("initialization", ["orthogonal", "identity"])
@each_cell
def test_biases_start_at_zero(cell: str, initialization: str) -> None:
    encoder = make(cell, num_layers=2, initialization=initialization)
    biases = [p for name, p in encoder.named_parameters() if ".bias_" in name]
    assert not torch.cat(biases).any()


@pytest.mark.parametrize("initialization", ["orthogonal", "torch"])
def test_the_forget_bias_is_the_sum_of_both_biases(initialization: str) -> None:
    encoder = make(
        "lstm", num_layers=2, bidirectional=True, forget_bias=1.0, initialization=initialization
    )
    for layer in [layer for directions in encoder.layers for layer in directions]:
        total = layer.bias_ih_l0 + layer.bias_hh_l0
        assert torch.equal(total[H : 2 * H], torch.ones(H))


def test_a_forget_bias_opens_the_gate_that_keeps_the_cell() -> None:
    """With an open forget gate, the cell keeps its state."""
    encoder = make("lstm", forget_bias=50.0, learn_initial_state=True, initialization="identity")
    with torch.no_grad():
        encoder.initial_state[0, 0, 1] = 0.5  # the cell
        encoder.layers[0][0].weight_hh_l0.zero_()
    hidden = encoder(torch.zeros(1, 20, D), torch.tensor([20]))
    torch.testing.assert_close(hidden[0, -1], 0.5 * torch.tanh(torch.full((H,), 0.5)))


def test_without_forget_bias_the_initialization_is_unchanged() -> None:
    torch.manual_seed(0)
    without = make("lstm", forget_bias=None).layers[0][0].bias_ih_l0
    torch.manual_seed(0)
    assert torch.equal(without, make_torch("lstm").bias_ih_l0)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_chrono_gates_keep_a_state_for_up_to_that_many_steps(cell: str) -> None:
    """A unit with bias log u keeps u / (1 + u) of its state per step."""
    encoder = make(
        cell,
        hidden_size=500,
        initialization="identity",
        chrono_steps=100,
        learn_initial_state=True,
        **({"forget_bias": 1.0} if cell == "lstm" else {}),
    )
    layer = encoder.layers[0][0]
    with torch.no_grad():
        encoder.initial_state[0, 0, -1] = 0.5  # the cell of an LSTM, the hidden state of a GRU
        layer.weight_hh_l0.zero_()
    _, state = encoder.read(torch.zeros(1, 1, D), torch.tensor([1]), None)
    kept = state[0][-1][0] / 0.5
    times = kept / (1 - kept)
    assert 1 <= times.min() < 3
    assert 97 < times.max() <= 99.01
    assert 45 < times.mean() < 55  # uniform in between
    if cell == "lstm":
        bias = layer.bias_ih_l0 + layer.bias_hh_l0
        assert torch.equal(bias[:500], -bias[500:1000])


@pytest.mark.parametrize("cell", ["tanh", "relu"])
def test_chrono_steps_do_not_change_a_network_without_gates(cell: str) -> None:
    torch.manual_seed(0)
    without = make(cell).state_dict()
    torch.manual_seed(0)
    with_chrono = make(cell, chrono_steps=100).state_dict()
    assert all(torch.equal(with_chrono[name], value) for name, value in without.items())


def test_two_chrono_steps_are_refused() -> None:
    with pytest.raises(ValueError, match=r"need chrono_steps >= 3, got chrono_steps=2"):
        make("gru", chrono_steps=2)


@each_cell
def test_dropout_is_inactive_in_evaluation(cell: str) -> None:
    encoder = make(cell, num_layers=2, dropout=0.5).double().eval()
    x = some_input()
    with_dropout = encoder(x, LENGTHS)
    encoder.dropout = 0.0
    assert torch.equal(with_dropout, encoder(x, LENGTHS))


@each_cell
def test_dropout_changes_training(cell: str) -> None:
    encoder, x = make(cell, num_layers=2, dropout=0.5).double(), some_input()
    assert not torch.equal(encoder(x, LENGTHS), encoder(x, LENGTHS))


def test_dropout_needs_a_second_layer() -> None:
    with pytest.raises(ValueError, match=r"dropout=0\.5 acts between layers, but num_layers=1"):
        make("gru", num_layers=1, dropout=0.5)


@each_direction
def test_dropout_applies_between_all_layers(bidirectional: bool) -> None:
    """With nearly all units dropped, the last layer depends only on its biases."""
    encoder = make("tanh", num_layers=3, bidirectional=bidirectional, dropout=1 - 1e-9)
    encoder = encoder.double().train()
    one, other = encoder(some_input(), LENGTHS), encoder(some_input(), LENGTHS)
    assert_same(real_steps_of(one), real_steps_of(other))


@each_direction
@each_cell
def test_a_trained_initial_state_receives_a_gradient(cell: str, bidirectional: bool) -> None:
    encoder = make(cell, num_layers=2, bidirectional=bidirectional, learn_initial_state=True)
    encoder.double()(some_input(), LENGTHS).sum().backward()
    assert encoder.initial_state.grad.abs().min() > 0 or cell == "relu"
    assert encoder.initial_state.grad.abs().sum() > 0


@each_cell
def test_a_fixed_initial_state_is_no_parameter(cell: str) -> None:
    assert not [name for name, _ in make(cell).named_parameters() if "initial_state" in name]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": 0}, r"hidden_size >= 1.*hidden_size=0"),
        ({"num_layers": 0}, r"num_layers >= 1.*num_layers=0"),
        ({"dropout": 1.0}, r"0 <= dropout < 1, got dropout=1\.0"),
        ({"dropout": -0.1}, r"0 <= dropout < 1, got dropout=-0\.1"),
        ({"initialization": "xavier"}, r"torch, orthogonal, identity or irnn.*'xavier'"),
    ],
)
@each_cell
def test_a_bad_argument_is_refused_with_rule_and_value(
    cell: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make(cell, **changes)


def test_an_unknown_nonlinearity_is_refused() -> None:
    with pytest.raises(ValueError, match=r"tanh or relu, got nonlinearity='gelu'"):
        make("tanh", nonlinearity="gelu")

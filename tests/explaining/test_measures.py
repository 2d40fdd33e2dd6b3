"""Each measure on the recurrence h_t = a h_{t-1} + x_t, whose results have a closed form.

The logits are (h_T, 0). Inputs are positive, so that the ReLU of the RNN never cuts anything off.
"""

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from unrolled.building.network import Network
from unrolled.encoders.blocks.encoder import Encoder, Sizes
from unrolled.encoders.blocks.residual import ResidualStack
from unrolled.encoders.blocks.stacked import RecurrentLayer, Stacked
from unrolled.encoders.gru import GRU
from unrolled.encoders.identity import Identity
from unrolled.encoders.lru import LRU
from unrolled.encoders.lstm import LSTM
from unrolled.encoders.rnn import RNN
from unrolled.encoders.s4d import S4D
from unrolled.encoders.transformer import Transformer
from unrolled.explaining.changes import EarlyDecision, early_decision, forgetting_curve, occlusion
from unrolled.explaining.eigenvalues import recurrent_eigenvalues
from unrolled.explaining.gradients import state_gradient_norms, why_no_state
from unrolled.explaining.half_life import half_life
from unrolled.explaining.integrated_gradients import integrated_gradients
from unrolled.explaining.saturation import Saturation, saturation
from unrolled.heads.last_step import LastStep
from unrolled.stems.none import NoStem

A = 0.8
LENGTHS = torch.tensor([7, 4])


def stacked(layer: partial[RecurrentLayer], *, size: int = 1, **changed: object) -> Stacked:
    settings = {
        "num_layers": 1,
        "bidirectional": False,
        "dropout": 0.0,
        "learn_initial_state": False,
        "initialization": "torch",
        "chrono_steps": None,
        "kernel": "torch",
    }
    return Stacked(Sizes(1, 7), layer=layer, hidden_size=size, **(settings | changed)).double()


@pytest.fixture
def network() -> Network:
    encoder = stacked(partial(RNN, nonlinearity="relu"))
    layer = encoder.left_to_right[0]
    for weight, value in zip(layer.weights, (1.0, A, 0.0, 0.0), strict=True):
        torch.nn.init.constant_(weight, value)
    head = LastStep(
        input_size=1,
        backward_size=0,
        summary_size=0,
        num_classes=2,
        dropout=0.0,
        initialization="torch",
    ).double()
    with torch.no_grad():
        head.output.weight.copy_(torch.tensor([[1.0], [0.0]]))
        head.output.bias.zero_()
    return Network(words=None, stem=NoStem(Sizes(1, 7)), encoder=encoder, head=head).eval()


@pytest.fixture
def x() -> Tensor:
    return torch.rand(2, 7, 1, generator=torch.Generator().manual_seed(0)).double() / 2


def last_state(x: Tensor, length: int) -> float:
    return sum(A ** (length - t) * float(x[t - 1, 0]) for t in range(1, length + 1))


def test_the_gradient_at_the_state_decays_as_a_to_the_number_of_steps(
    network: Network, x: Tensor
) -> None:
    y = torch.tensor([0, 1])

    norms = state_gradient_norms(network, x, LENGTHS, y)

    for row, length in enumerate(LENGTHS.tolist()):
        p = 1 / (1 + math.exp(-last_state(x[row], length)))
        at_last = 1 - p if y[row] == 0 else p  # |dL/dh_T|
        expected = [at_last * A**k for k in range(1, length + 1)]
        assert norms[row, :length].tolist() == pytest.approx(expected)
        assert norms[row, length:].isnan().all()


@pytest.mark.parametrize(
    ("encoder", "reason"),
    [
        (stacked(partial(GRU), bidirectional=True), "bidirectional"),
        (stacked(partial(LSTM, forget_bias=None), num_layers=2), None),
        (
            Transformer(
                Sizes(1, 7), hidden_size=2, num_layers=1, num_heads=1, dropout=0.0
            ).double(),
            "grows",
        ),
        (Identity(Sizes(1, 7)), "hands no state"),
    ],
)
def test_the_reason_for_no_gradient_at_the_state_is_named(
    encoder: Encoder, reason: str | None, x: Tensor
) -> None:
    found = why_no_state(encoder, x)

    assert (reason is None) == (found is None)
    assert reason is None or reason in str(found)


def test_the_forgetting_curve_decays_as_a_to_the_number_of_steps(
    network: Network, x: Tensor
) -> None:
    places = [0, 1, 3, 6]

    moved = forgetting_curve(
        network, x, LENGTHS, steps_before_end=places, change=lambda x_t: x_t + 0.5
    )

    assert moved == pytest.approx([0.5 * A**k for k in places])


def test_occlusion_is_the_fall_of_the_probability(network: Network, x: Tensor) -> None:
    found = occlusion(network, x[0], window=1, hide=torch.zeros_like)

    h = last_state(x[0], 7)
    without = [h - A ** (7 - t) * float(x[0, t - 1, 0]) for t in range(1, 8)]
    falls = [1 / (1 + math.exp(-h)) - 1 / (1 + math.exp(-z)) for z in without]
    assert found.tolist() == pytest.approx(falls)


def test_a_step_gets_the_mean_of_the_windows_that_hide_it(network: Network, x: Tensor) -> None:
    found = occlusion(network, x[0], window=3, hide=torch.zeros_like)

    def fall(start: int) -> float:
        hidden = x[0].clone()
        hidden[start : start + 3] = 0
        z, z_hidden = last_state(x[0], 7), last_state(hidden, 7)
        return 1 / (1 + math.exp(-z)) - 1 / (1 + math.exp(-z_hidden))

    # windows start at 0, 2 and 4
    expected = [fall(0), fall(0), (fall(0) + fall(2)) / 2, fall(2), (fall(2) + fall(4)) / 2]
    assert found.tolist() == pytest.approx([*expected, fall(4), fall(4)])


def test_integrated_gradients_add_up_to_the_probability(network: Network, x: Tensor) -> None:
    pytest.importorskip("captum")

    found = integrated_gradients(network, x[0], hide=torch.zeros_like)

    h = last_state(x[0], 7)
    gained = 1 / (1 + math.exp(-h)) - 0.5
    # the gradient is the same for every step but for a^(T-t)
    shares = [A ** (7 - t) * float(x[0, t - 1, 0]) / h for t in range(1, 8)]
    assert found.tolist() == pytest.approx([share * gained for share in shares], rel=1e-4)


def test_an_early_decision_reads_the_first_steps_only(network: Network) -> None:
    # h_t falls below 0 at no step, so the class is 0 once h_t > 0: here from step 4 of 8 on
    x = torch.zeros(2, 8, 1).double()
    x[0, 3] = 1.0
    lengths, y = torch.tensor([8, 8]), torch.tensor([0, 0])

    def shifted(x: Tensor, lengths: Tensor) -> Tensor:
        return network(x, lengths) - torch.tensor([0.1, 0.0])

    found = early_decision(shifted, x, lengths, y, shares=[0.25, 0.375, 0.5, 1.0])

    def probability(z: float) -> float:
        return 1 / (1 + math.exp(-abs(z)))

    assert found.accuracy == [0.0, 0.0, 0.5, 0.5]
    none = probability(-0.1)
    some = [none, none, probability(0.9), probability(A**4 - 0.1)]
    assert found.confidence == pytest.approx([(none + one) / 2 for one in some])
    assert found.enough == 0.5


def test_enough_is_the_share_after_the_last_one_that_is_too_low() -> None:
    def enough(*accuracy: float) -> float:
        shares = [(k + 1) / len(accuracy) for k in range(len(accuracy))]
        return EarlyDecision(shares, list(accuracy), list(accuracy)).enough

    assert enough(0.9, 0.9, 0.9, 0.9) == 0.25
    assert enough(0.9, 0.5, 0.86, 0.9) == 0.75
    assert enough(0.1, 0.1, 0.1, 0.9) == 1.0
    assert enough(0.5, 0.0) == 0.5


def test_the_eigenvalue_of_the_recurrence_is_a(network: Network) -> None:
    (found,) = recurrent_eigenvalues(network.encoder)

    assert found.tolist() == pytest.approx([A])
    assert half_life(A) == pytest.approx(math.log(0.5) / math.log(A))
    halved = A ** half_life(A)
    assert halved == pytest.approx(0.5)
    assert half_life(1.0) == math.inf
    assert half_life(0.0) == 0.0


@pytest.mark.parametrize(
    "layer",
    [
        partial(LRU, state_size=3, r_min=0.5, r_max=0.9, max_phase=3.0),
        partial(S4D, state_size=2, dt_min=0.01, dt_max=0.1),
    ],
    ids=["lru", "s4d"],
)
def test_the_state_of_a_linear_layer_is_multiplied_by_its_eigenvalues(layer: partial) -> None:
    encoder = ResidualStack(
        Sizes(4, 7),
        layer=layer,
        hidden_size=4,
        num_layers=1,
        residual=False,
        mixing=False,
        conv_size=0,
        dropout=0.0,
        recurrent_lr_scale=1.0,
        kernel="torch",
    )
    state = encoder.step(torch.randn(1, 4), None)[1]

    after = encoder.step(torch.zeros(1, 4), state)[1]

    def numbers(state: tuple) -> Tensor:
        real, imaginary = state[0][1]
        return torch.complex(real, imaginary).flatten()

    (eigenvalues,) = recurrent_eigenvalues(encoder)
    torch.testing.assert_close(numbers(after), eigenvalues * numbers(state))


def test_models_with_gates_have_no_eigenvalues() -> None:
    assert recurrent_eigenvalues(stacked(partial(GRU))) == []


def by_hand(layer: RecurrentLayer, x: Tensor, lengths: Tensor) -> dict[str, Tensor]:
    """Return the values of each gate at the real steps, from torch's equations step by step."""
    w, u, b, c = layer.weights
    size = layer.hidden_size
    found: dict[str, list[Tensor]] = {}
    for sequence, length in zip(x, lengths.tolist(), strict=True):
        h = cell = torch.zeros(size).double()
        for x_t in sequence[:length]:
            of_x, of_h = (w @ x_t + b).split(size), (u @ h + c).split(size)
            if layer.mode == "LSTM":
                i, f, o = ((of_x[k] + of_h[k]).sigmoid() for k in (0, 1, 3))
                cell = f * cell + i * (of_x[2] + of_h[2]).tanh()
                h = o * cell.tanh()
                new = {"input gate": i, "forget gate": f, "output gate": o, "cell": cell.tanh()}
            elif layer.mode == "GRU":
                r, z = ((of_x[k] + of_h[k]).sigmoid() for k in (0, 1))
                n = (of_x[2] + r * of_h[2]).tanh()
                h = (1 - z) * n + z * h
                new = {"reset gate": r, "update gate": z, "candidate": n}
            else:
                h = (of_x[0] + of_h[0]).tanh()
                new = {"units": h}
            for name, values in new.items():
                found.setdefault(name, []).append(values)
    return {name: torch.cat(values) for name, values in found.items()}


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(
    "layer",
    [partial(RNN, nonlinearity="tanh"), partial(LSTM, forget_bias=1.0), partial(GRU)],
    ids=["rnn", "lstm", "gru"],
)
def test_saturation_counts_the_values_of_every_gate(
    layer: partial[RecurrentLayer], bidirectional: bool
) -> None:
    torch.manual_seed(0)
    encoder = stacked(layer, size=5, bidirectional=bidirectional)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.mul_(6)
    x = 3 * torch.randn(2, 7, 1).double()

    found = {one.name: one for one in saturation(encoder, x, LENGTHS)}

    expected = by_hand(encoder.layers[0][0], x, LENGTHS)
    if bidirectional:
        mirrored = torch.stack([x[0].flip(0), torch.cat([x[1, :4].flip(0), x[1, 4:]])])
        of_second = by_hand(encoder.layers[0][1], mirrored, LENGTHS)
        expected |= {f"{name}, right to left": values for name, values in of_second.items()}
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        low, high = (0.1, 0.9) if "gate" in name else (-0.99, 0.99)
        low_share, high_share = (values < low).double().mean(), (values > high).double().mean()
        assert (found[name].low, found[name].high) == pytest.approx(
            (float(low_share), float(high_share))
        )
    assert max(one.low + one.high for one in found.values()) > 0.1


def test_a_relu_unit_is_saturated_at_0(network: Network) -> None:
    x = torch.tensor([[[1.0], [0.0]], [[0.0], [0.0]]]).double()
    assert isinstance(network.encoder, Stacked)

    found = saturation(network.encoder, x, torch.tensor([2, 2]))

    assert found == [Saturation(layer=1, name="units", low=0.5, high=0.0)]

"""Each rule of the contract is broken once, and exactly the checks of this rule fail."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor, nn

from conftest import compose
from unrolled.building.network import Network, build_network
from unrolled.checking.network_checks import network_checks
from unrolled.config.classes import allowing
from unrolled.encoders.blocks.encoder import Encoder, Sizes
from unrolled.errors import ConfigError, ContractError
from unrolled.heads.last_step import LastStep
from unrolled.stems.none import NoStem


class Good(Encoder):
    """The mean of all steps so far, of a linear map."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__(output_size=4)
        self.linear = nn.Linear(sizes.input_size, 4)

    def read(self, x: Tensor, lengths: Tensor | None, state: Any) -> tuple[Tensor, Any]:
        total, count = state or (x.new_zeros(len(x), 4), x.new_zeros(len(x), 1))
        totals = total[:, None] + self.linear(x).cumsum(1)
        counts = count[:, None] + torch.ones_like(x[:, :, :1]).cumsum(1)
        ends = torch.full((len(x),), x.shape[1]) if lengths is None else lengths
        rows = torch.arange(len(x))
        return totals / counts, (totals[rows, ends - 1], counts[rows, ends - 1])


class ReadsPadding(Good):
    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        return super().forward(x, lengths) + x.mean(dim=(1, 2), keepdim=True)


class MixesSequences(Good):
    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        return super().forward(x, lengths) - x[:, :1].mean(dim=(0, 2), keepdim=True)


class NormalizesPadding(Good):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__(sizes)
        self.norm = nn.BatchNorm1d(4)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        return self.norm(Good.read(self, x, None, None)[0].mT).mT

    def read(self, x: Tensor, lengths: Tensor | None, state: Any) -> tuple[Tensor, Any]:
        hidden, after = super().read(x, lengths, state)
        return self.norm(hidden.mT).mT, after


class CentresPadding(Good):
    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        hidden = super().forward(x, lengths)
        return hidden - x.mean(dim=(1, 2), keepdim=True) if self.training else hidden


class ForgetsItsState(Good):
    def read(self, x: Tensor, lengths: Tensor | None, state: Any) -> tuple[Tensor, Any]:
        return super().read(x, lengths, None)


class IgnoresLengthsInItsState(Good):
    def read(self, x: Tensor, lengths: Tensor | None, state: Any) -> tuple[Tensor, Any]:
        return super().read(x, None, state)


class LosesAParameter(Good):
    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": [self.linear.weight], "lr_scale": 1.0, "decay": True}]


class HasAnUnusedParameter(Good):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__(sizes)
        self.unused = nn.Parameter(torch.ones(1))


class HasAnInfiniteGradient(Good):
    def read(self, x: Tensor, lengths: Tensor | None, state: Any) -> tuple[Tensor, Any]:
        hidden, after = super().read(x, lengths, state)
        return hidden + (0 * hidden).sqrt(), after


class IsTooLarge(Good):
    def read(self, x: Tensor, lengths: Tensor | None, state: Any) -> tuple[Tensor, Any]:
        hidden, after = super().read(x, lengths, state)
        return 1e3 * hidden, after


LOGITS = {"padding reaches no logit", "other sequences of a batch reach no logit"}
STEPS = {"chunks equal the whole", "steps equal the whole"}
STATES = "states are those after the last real step"
BROKEN: dict[type[Good], set[str]] = {
    Good: set(),
    ReadsPadding: {
        "padding reaches no real step",
        "padding changes nothing in training",
        STATES,
        *LOGITS,
        *STEPS,
    },
    MixesSequences: {"other sequences of a batch reach no logit", STATES, *STEPS},
    NormalizesPadding: {"padding changes nothing in training"},
    ForgetsItsState: {STATES, *STEPS},
    IgnoresLengthsInItsState: {STATES},
    LosesAParameter: {"parameter groups are complete"},
    HasAnUnusedParameter: {"gradients are finite"},
    HasAnInfiniteGradient: {"gradients are finite"},
    IsTooLarge: {"the untrained loss is ln c"},
}


def network_of(kind: type[Good]) -> Network:
    sizes = Sizes(input_size=5, num_steps=13)
    head = LastStep(
        input_size=4,
        backward_size=0,
        summary_size=0,
        num_classes=7,
        dropout=0.0,
        initialization="small",
    )
    return Network(words=None, stem=NoStem(sizes), encoder=kind(sizes), head=head)


def failures(network: Network) -> dict[str, str]:
    """Return the messages of the checks that fail, by name."""
    found = {}
    for check in network_checks(network, num_features=5, encoder_features=5, num_classes=7):
        try:
            check.carry_out()
        except ContractError as error:
            found[check.name] = str(error)
    return found


@pytest.mark.parametrize("kind", BROKEN)
def test_exactly_the_checks_of_a_broken_rule_fail(kind: type[Good]) -> None:
    assert failures(network_of(kind)).keys() == BROKEN[kind]


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        (ReadsPadding, "as in evaluation mode; read only earlier steps, or use `lengths`"),
        (NormalizesPadding, "batch normalization must leave it out"),
        (CentresPadding, "only; statistics of a batch must leave it out"),
    ],
)
def test_the_message_on_padding_in_training_fits_the_network(kind: type[Good], cause: str) -> None:
    message = failures(network_of(kind))["padding changes nothing in training"]
    assert cause in message
    assert ("normalization" in message) == (kind is NormalizesPadding)


def test_hidden_states_of_another_size_are_reported() -> None:
    network = network_of(Good)
    network.encoder.output_size = 3

    assert failures(network) == {
        "hidden states have the size of the encoder": (
            "the hidden states have shape (6, 9, 4), expected (6, 9, 3)"
        )
    }


class InSinglePrecision(Good):
    def read(self, x: Tensor, lengths: Tensor | None, state: Any) -> tuple[Tensor, Any]:
        hidden, after = super().read(x, lengths, state)
        return hidden @ torch.eye(4), after


def test_a_network_that_cannot_compute_in_double_precision_is_checked_in_single_precision() -> None:
    network = network_of(InSinglePrecision)
    first, *_ = network_checks(network, num_features=5, encoder_features=5, num_classes=7)

    assert first.skipped.startswith("the other checks use single precision: RuntimeError")
    assert failures(network) == {}


# each time a network is built


class Cell(nn.Module):
    """A module that works, as a base of modules that do not."""

    def __init__(self, input_size: int) -> None:
        super().__init__()
        self.gru = nn.GRU(input_size, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.gru(x)[0]


class Bidirectional(Cell):
    def __init__(self, input_size: int) -> None:
        super().__init__(input_size)
        self.gru = nn.GRU(input_size, 4, batch_first=True, bidirectional=True)


class TimeFirst(Cell):
    def __init__(self, input_size: int) -> None:
        super().__init__(input_size)
        self.gru = nn.GRU(input_size, 4)


class WrongState(Cell):
    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.gru(x)[0], x[:, -1]


class NoInputSize(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()


REFUSED: dict[Callable[..., nn.Module], str] = {
    Bidirectional: "depend on the padding",
    TimeFirst: "batch_first: true",
    WrongState: "in two chunks",
    NoInputSize: "needs a parameter input_size",
}


def built(kind: Any) -> Network:
    config = compose()
    config.model = OmegaConf.create({"_target_": f"{__name__}.{kind.__name__}"})
    with allowing([__name__]):
        return build_network(config, num_features=3, num_steps=20, num_classes=2)


@pytest.mark.parametrize("kind", REFUSED)
def test_a_module_that_breaks_the_contract_is_not_built(kind: Any) -> None:
    with pytest.raises(ConfigError, match=REFUSED[kind]):
        built(kind)


def test_the_check_of_a_module_does_not_change_the_weights_of_a_seed() -> None:
    torch.manual_seed(3)
    network = built(Cell)
    torch.manual_seed(3)
    gru, head = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2)
    nn.init.normal_(head.weight, std=0.01)

    assert torch.equal(network.encoder.get_parameter("module.gru.weight_hh_l0"), gru.weight_hh_l0)
    assert torch.equal(network.head.output.weight, head.weight)
    assert network.training

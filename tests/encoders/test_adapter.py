"""Modules of your own, and torch's recurrent ones, as encoders."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from unrolled.checking import contract
from unrolled.checking.probe import LENGTHS, make_probe
from unrolled.encoders.blocks.adapter import Adapter, tried
from unrolled.encoders.blocks.encoder import Sizes

SIZES = Sizes(input_size=3, num_steps=20)


class Tanh(nn.Module):
    """h_t = tanh(W x_t), without lengths or a state."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.linear(x))


class Backward(nn.Module):
    """The sum of this step and all later ones, which needs the lengths."""

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        real = torch.arange(x.shape[1]) < lengths[:, None]
        return (x * real[:, :, None]).flip(1).cumsum(1).flip(1)


class Sum(nn.Module):
    """The sum of all steps so far and their number, as two states with the sequence first."""

    def forward(
        self, x: Tensor, state: tuple[Tensor, tuple[Tensor]] | None = None
    ) -> tuple[Tensor, tuple[Tensor, tuple[Tensor]]]:
        total, (count,) = state or (x.new_zeros(len(x), 3), (x.new_zeros(len(x), 1),))
        totals = total[:, None] + x.cumsum(1)
        counts = count[:, None] + torch.ones_like(x[:, :, :1]).cumsum(1)
        return totals / counts, (totals[:, -1], (counts[:, -1],))


MODULES: dict[str, tuple[Callable[[], nn.Module], int, bool]] = {
    "without lengths": (Tanh, 4, False),
    "with lengths": (Backward, 3, False),
    "with a state": (Sum, 3, True),
    "torch's GRU": (lambda: nn.GRU(3, 4, num_layers=2, batch_first=True), 4, True),
    "torch's LSTM": (lambda: nn.LSTM(3, 4, num_layers=2, batch_first=True), 4, True),
}


@pytest.mark.parametrize(("make", "size", "has_steps"), MODULES.values(), ids=list(MODULES))
def test_a_module_becomes_an_encoder(
    make: Callable[[], nn.Module], size: int, has_steps: bool
) -> None:
    adapter = Adapter(make(), sizes=SIZES).double().eval()
    probe = make_probe(num_features=3, dtype=torch.float64, lengths=LENGTHS)

    assert (adapter.output_size, adapter.has_steps) == (size, has_steps)
    contract.hidden_states_have_the_size_of_the_encoder(adapter, probe)
    contract.padding_reaches_no_real_step(adapter, probe)
    contract.batches_change_no_logit(lambda x, lengths: adapter(x, lengths)[:, 0], probe)
    contract.parameter_groups_are_complete(adapter)
    if has_steps:
        contract.chunks_equal_the_whole(adapter, probe)
        contract.steps_equal_the_whole(adapter, probe)
        contract.states_are_those_after_the_last_real_step(adapter, probe)
        start = adapter.start(probe.x[:, 0])
        probe.require_same(
            adapter.read(probe.x, None, start)[0], adapter.read(probe.x, None, None)[0], "start"
        )


def test_a_module_without_a_state_cannot_run_step_by_step() -> None:
    with pytest.raises(ValueError, match="no parameter `state`"):
        Adapter(Tanh(), sizes=SIZES).step(torch.zeros(1, 3), None)


class StateOnly(nn.Module):
    def forward(self, x: Tensor, state: Tensor | None = None) -> Tensor:
        return x


def test_a_module_that_takes_a_state_must_return_one() -> None:
    with pytest.raises(ValueError, match="must return hidden states and the state"):
        Adapter(StateOnly(), sizes=SIZES).step(torch.zeros(1, 3), None)


WRONG = {
    "a vector per sequence": (nn.Sequential(nn.Flatten(), nn.LazyLinear(2)), r"returns \(3, 2\)"),
    "another number of features": (nn.Linear(5, 2), r"fails for x of shape \(3, 9, 3\)"),
}


@pytest.mark.parametrize(("module", "message"), WRONG.values(), ids=list(WRONG))
def test_a_module_that_returns_no_hidden_states_is_refused(module: nn.Module, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Adapter(module, sizes=SIZES)


def test_trying_a_module_changes_neither_its_mode_nor_torchs_generator() -> None:
    module = nn.Sequential(nn.BatchNorm1d(9), nn.Dropout(0.5).eval())
    before = torch.get_rng_state()

    with tried(module):
        module(torch.randn(3, 9, 3))

    assert torch.equal(torch.get_rng_state(), before)
    assert [part.training for part in module] == [True, False]
    assert module[0].num_batches_tracked == 0

"""Networks that read one step after the other, and classify the steps so far."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unrolled.building.ensemble import Ensemble, average
from unrolled.building.network import Network
from unrolled.data.fitted import Fitted
from unrolled.streaming.states import State, chosen


class NetworkSteps(nn.Module):
    """A network that reads step by step.

    A stem with strides or means over several steps returns an unfinished step until it has read all
    of them. Encoder and head then read it from the state before, and keep that state.

    network: its stem is causal, and its encoder reads from left to right.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def start(self, x_t: Float[Tensor, "b d"]) -> State:
        """Return the state before the first step of streams like x_t."""
        network, num = self.network, x_t.shape[0]
        encoder = network.encoder
        stemmed = x_t.new_zeros(num, network.stem.output.input_size)
        hidden = x_t.new_zeros(num, encoder.output_size)
        return network.stem.start(x_t), encoder.start(stemmed), network.head.start(hidden)

    def forward(
        self, x_t: Float[Tensor, "b d"], state: State
    ) -> tuple[Float[Tensor, "b c"], State]:
        """Return the logits of the steps so far, and the state for the next call."""
        of_stem, before, memory = state
        x_t, summary, is_complete, of_stem = self.network.stem.step(x_t, of_stem)
        hidden, after = self.network.encoder.step(x_t, before)
        folded = self.network.head.fold(hidden[:, None], memory)
        logits = self.network.head.classify(folded, summary)
        if is_complete is not None:
            after, folded = chosen(is_complete, (after, folded), (before, memory))
        return logits, (of_stem, after, folded)


class EnsembleSteps(nn.Module):
    """The networks of a run, each with the channels that were fitted for it.

    ensemble: its members are networks that NetworkSteps can read.
    fitted_inputs: what was fitted for each input of the ensemble.
    """

    temperature: Tensor | None

    def __init__(self, ensemble: Ensemble, fitted_inputs: Sequence[Fitted]) -> None:
        super().__init__()
        members = [NetworkSteps(member) for member in _networks(ensemble)]
        self.members = nn.ModuleList(members)
        self.readers = list(zip(members, ensemble.input_numbers, strict=True))
        self.channels = [fitted.channels for fitted in fitted_inputs]
        self.register_buffer("temperature", ensemble.temperature)

    def start(self, scaled: Float[Tensor, "b d"]) -> State:
        """Return the state before the first step of streams like this one."""
        num = scaled.shape[0]
        of_channels = [None if part is None else part.start(num) for part in self.channels]
        inputs, _ = self._inputs(scaled, of_channels)
        states = [member.start(inputs[number]) for member, number in self.readers]
        return tuple(of_channels), tuple(states)

    def forward(
        self, scaled: Float[Tensor, "b d"], state: State
    ) -> tuple[Float[Tensor, "b c"], State]:
        """Return the probabilities of the steps so far, and the state for the next call.

        scaled: the newest step, filled and standardised, in double precision.
        """
        of_channels, states = state
        inputs, of_channels = self._inputs(scaled, of_channels)
        logits, after = [], []
        for (member, number), before in zip(self.readers, states, strict=True):
            member_logits, member_state = member(inputs[number], before)
            logits.append(member_logits.float())
            after.append(member_state)
        together = average(torch.stack(logits), temperature=self.temperature)
        return together.softmax(dim=1), (of_channels, tuple(after))

    def _inputs(self, scaled: Tensor, states: Sequence[State]) -> tuple[list[Tensor], State]:
        """Return what the members read, in single precision, and the states of the channels."""
        inputs, after = [], []
        for channels, state in zip(self.channels, states, strict=True):
            x_t = scaled
            if channels is not None:
                x_t, state = channels.step(scaled, state)
            inputs.append(x_t.float())
            after.append(state)
        return inputs, tuple(after)


def _networks(ensemble: Ensemble) -> list[Network]:
    networks = [member for member in ensemble.members if isinstance(member, Network)]
    assert len(networks) == len(ensemble.members)
    return networks

"""Recurrent parts of a network as loops that an exporter keeps, whatever the number of steps.

An exporter unrolls a loop of Python for the one length that it sees. Here a recurrence is torch's
`scan`, which becomes an ONNX `Scan`. Everything around it, such as convolutions and normalization,
stays as it is.
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan

from unrolled.building.network import Network
from unrolled.encoders.blocks.encoder import Encoder
from unrolled.encoders.blocks.residual import Block, Layer
from unrolled.encoders.blocks.stacked import RecurrentLayer, Stacked
from unrolled.encoders.cnn import CNN
from unrolled.encoders.identity import Identity
from unrolled.encoders.majority import Majority
from unrolled.encoders.mlp import MLP
from unrolled.encoders.tcn import TCN
from unrolled.encoders.transformer import Transformer
from unrolled.streaming.states import leaves, with_leaves

Body = Callable[[tuple[Tensor, ...], Tensor], tuple[tuple[Tensor, ...], Tensor]]

WITHOUT_LOOP = (CNN, Identity, MLP, Majority, TCN, Transformer)  # an exporter follows them


def looped(body: Body, start: tuple[Tensor, ...], x: Float[Tensor, "b t d"]) -> Tensor:
    """Return the outputs of all steps, (b, t, h). Outside an export, this is a loop of Python.

    body: (state, input (b, d)) -> (state, output (b, h)).
    start: the state before the first step.
    """

    def step(state: tuple[Tensor, ...], x_t: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        after, output = body(state, x_t)
        return tuple(part.clone() for part in after), output.clone()  # a scan takes no aliases

    if not torch.compiler.is_exporting():
        found, state = [], start
        for x_t in x.unbind(1):
            state, output = body(state, x_t)
            found.append(output)
        return torch.stack(found, dim=1)
    state = tuple(part.clone() for part in start)
    outputs: Tensor = scan(step, state, x.transpose(0, 1), dim=0)[1]
    return outputs.transpose(0, 1)


class _LoopedRecurrentLayer(nn.Module):
    """In place of a torch module with one layer and direction."""

    def __init__(self, layer: RecurrentLayer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Float[Tensor, "b t d"], state: Any) -> tuple[Tensor, None]:
        layer = self.layer
        if state is None:
            zero = x.new_zeros(x.shape[0], layer.hidden_size)
            start: tuple[Tensor, ...] = (zero,) * layer.num_states
        else:
            start = tuple(part[0] for part in (state if isinstance(state, tuple) else (state,)))

        def body(state: tuple[Tensor, ...], x_t: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
            after = layer.cell(x_t, state)
            return after, after[0]

        return looped(body, start, x), None


class _LoopedLayer(nn.Module):
    """In place of the layer of a residual block."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t h"]:
        def body(state: tuple[Tensor, ...], x_t: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
            hidden, after = self.layer.read(x_t[:, None], None, state)
            return after, hidden[:, 0]

        return looped(body, self.layer.start(x[:, 0]), x)


class _LoopedEncoder(nn.Module):
    """In place of any other encoder that reads from left to right."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b t h"]:
        start = self.encoder.start(x[:, 0])

        def body(state: tuple[Tensor, ...], x_t: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
            hidden, after = self.encoder.step(x_t, with_leaves(start, iter(state)))
            return tuple(leaves(after)), hidden

        return looped(body, tuple(leaves(start)), x)


def with_loops(network: Network) -> Network:
    """Return a copy of the network with the same outputs, in which recurrences are loops."""
    network = copy.deepcopy(network)
    encoder = network.encoder
    if isinstance(encoder, Stacked):
        for directions in encoder.layers:
            assert isinstance(directions, nn.ModuleList)
            for number, layer in enumerate(directions):
                assert isinstance(layer, RecurrentLayer)
                directions[number] = _LoopedRecurrentLayer(layer)
    elif any(isinstance(module, Block) for module in encoder.modules()):
        for block in list(encoder.modules()):
            if isinstance(block, Block):
                block._modules["layer"] = _LoopedLayer(block.layer)
    elif not isinstance(encoder, WITHOUT_LOOP):
        network._modules["encoder"] = _LoopedEncoder(encoder)
    return network

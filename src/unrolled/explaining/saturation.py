"""How often gates are nearly closed or open, and units at a place where their function is flat.

Karpathy, Johnson & Fei-Fei (2015), Visualizing and understanding recurrent networks, section 4.2.
A gate is saturated below 0.1 or above 0.9. Departure: the paper has no numbers for tanh. A tanh
unit counts as saturated beyond -0.99 or 0.99, and a ReLU unit at 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unrolled.contracts import real_steps
from unrolled.encoders.blocks.stacked import RecurrentLayer, Stacked, reverse_within_length

GATE = (0.1, 0.9)
TANH = (-0.99, 0.99)
RELU = (0.0, float("inf"))


@dataclass(frozen=True)
class Saturation:
    """Share of the values of a gate or of units that are saturated, over all real steps and units.

    layer: counted from 1.
    name: for example "forget gate".
    low, high: share at the lower and at the upper end.
    """

    layer: int
    name: str
    low: float
    high: float


@torch.no_grad()
def saturation(
    encoder: Stacked, x: Float[Tensor, "b u k"], lengths: Int[Tensor, " b"]
) -> list[Saturation]:
    """Return the saturation of each gate and of the units, by layer and direction.

    RNN: its units h. LSTM: input, forget and output gate and the cell tanh(c). GRU: reset and
    update gate and the candidate n.

    x, lengths: what the encoder reads.
    """
    real = real_steps(lengths, x.shape[1])
    found, hidden = [], x
    for index, directions in enumerate(encoder.layers):
        assert isinstance(directions, nn.ModuleList)
        outputs = []
        for direction, layer in enumerate(directions):
            assert isinstance(layer, RecurrentLayer)
            read = reverse_within_length(hidden, lengths) if direction else hidden
            first = _first_states(encoder, index, direction, len(x))
            after: Tensor = layer(read, first)[0]
            start = torch.zeros_like(after[:, 0]) if first is None else _hidden(first)
            before = torch.cat([start[:, None], after[:, :-1]], dim=1)
            suffix = ", right to left" if direction else ""
            for name, values, limits in _gates(layer, read, before, after):
                found.append(_share(index + 1, f"{name}{suffix}", values[real], limits))
            outputs.append(reverse_within_length(after, lengths) if direction else after)
        hidden = torch.cat(outputs, dim=2)
    return found


def _share(
    layer: int, name: str, values: Float[Tensor, "s h"], limits: tuple[float, float]
) -> Saturation:
    def share(which: Bool[Tensor, "s h"]) -> float:
        return float(which.double().mean())

    low = values <= limits[0] if limits == RELU else values < limits[0]
    return Saturation(layer, name, low=share(low), high=share(values > limits[1]))


def _gates(
    layer: RecurrentLayer,
    x: Float[Tensor, "b u k"],
    before: Float[Tensor, "b u h"],
    after: Float[Tensor, "b u h"],
) -> Iterator[tuple[str, Tensor, tuple[float, float]]]:
    """Yield name, values (b, u, h) and limits, from the hidden states before and after a step."""
    w, u, b, c = layer.weights
    if layer.mode == "LSTM":
        i, f, _, o = (x @ w.T + b + before @ u.T + c).chunk(4, dim=2)
        for name, gate in (("input gate", i), ("forget gate", f), ("output gate", o)):
            yield name, gate.sigmoid(), GATE
        yield "cell", after / o.sigmoid(), TANH  # h = o tanh(c)
    elif layer.mode == "GRU":
        (r, z, n), (r_h, z_h, n_h) = (x @ w.T + b).chunk(3, 2), (before @ u.T + c).chunk(3, 2)
        reset = (r + r_h).sigmoid()
        yield "reset gate", reset, GATE
        yield "update gate", (z + z_h).sigmoid(), GATE
        yield "candidate", torch.tanh(n + reset * n_h), TANH
    else:
        yield "units", after, TANH if layer.mode == "RNN_TANH" else RELU


def _first_states(
    encoder: Stacked, layer: int, direction: int, num: int
) -> Tensor | tuple[Tensor, ...] | None:
    if encoder.initial_state is None:
        return None  # zero
    parts = encoder.initial_state[layer, direction]  # (states, h)
    states = tuple(part.expand(1, num, -1).contiguous() for part in parts)
    return states if len(states) == 2 else states[0]


def _hidden(first: Tensor | tuple[Tensor, ...]) -> Float[Tensor, "b h"]:
    return (first if isinstance(first, Tensor) else first[0])[0]

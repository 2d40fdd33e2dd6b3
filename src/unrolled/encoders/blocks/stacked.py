"""Stacks of torch's recurrent modules that treat lengths right, shared by RNN, LSTM and GRU.

Each layer and direction is a torch module of one layer, so that dropout between layers is ours:
cuDNN's own keeps a state on the GPU that cannot be reseeded per batch without a synchronisation.
The right-to-left reader gets each sequence reversed within its own length, so that it starts at
the sequence's end and never in the padding; nothing is packed, and every exporter can follow.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from unrolled.encoders.blocks.reader import Reader, State


def reverse_within_length(x: Float[Tensor, "b t f"], lengths: Int[Tensor, " b"]) -> Tensor:
    """Return x with the real steps of each sequence in reverse order and padding in place."""
    steps = torch.arange(x.shape[1], device=x.device)
    mirrored = lengths[:, None] - 1 - steps  # (b, t)
    source = torch.where(mirrored >= 0, mirrored, steps)
    return x.gather(1, source[:, :, None].expand_as(x))


def torch_key(key: str) -> str:
    """Return where torch's own stacked module keeps the parameter that is called `key` here.

    `layers.1.0.weight_hh_l0` is torch's `weight_hh_l1`, `layers.1.1.…` its `weight_hh_l1_reverse`.
    """
    _, layer, direction, name = key.split(".")
    return name.removesuffix("0") + layer + ("_reverse" if direction == "1" else "")


class Stacked(Reader):
    """Layers of one torch recurrent module, one or two directions each.

    make_layer: builds a one-layer, one-direction, batch-first torch module for an input size.
    input_size: features per step (d).
    hidden_size: units per layer and direction, >= 1.
    num_layers: layers, >= 1.
    bidirectional: whether a second reader goes from right to left; h is then twice hidden_size.
    dropout: fraction of units silenced between layers, 0 <= dropout < 1.
    learn_initial_state: whether the state before the first step is learnt; it is zero otherwise.
    initialization: torch (all as torch does it), or the recurrent weights of each gate
        orthogonal (Saxe et al. 2014) or identity, with input weights after Glorot & Bengio
        (2010) and biases zero; irnn is identity with input weights N(0, 0.001^2) (Le et al. 2015).
    chrono_steps: None, or how many steps gates are to remember from the start, >= 3: the bias of
        the gate that keeps (LSTM's forget gate, GRU's update gate) is log u with u ~
        U(1, chrono_steps - 1), and that of LSTM's input gate its negative, instead of forget_bias
        (Tallec & Ollivier 2018, section 2). A network without gates stays as it is.
    forget_bias: bias of the forget gate (Jozefowicz et al. 2015), or None for cells without one
        and to leave it as `initialization` has it.
    """

    def __init__(
        self,
        make_layer: Callable[[int], nn.RNNBase],
        *,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bidirectional: bool,
        dropout: float,
        learn_initial_state: bool,
        initialization: str,
        chrono_steps: int | None,
        forget_bias: float | None,
    ) -> None:
        if hidden_size < 1 or num_layers < 1:
            raise ValueError(
                "need hidden_size >= 1 and num_layers >= 1, "
                f"got hidden_size={hidden_size}, num_layers={num_layers}"
            )
        if chrono_steps is not None and chrono_steps < 3:
            raise ValueError(f"need chrono_steps >= 3, got chrono_steps={chrono_steps}")
        num_directions = 2 if bidirectional else 1
        super().__init__(input_size=input_size, output_size=hidden_size * num_directions)
        if not 0 <= dropout < 1:
            raise ValueError(f"need 0 <= dropout < 1, got dropout={dropout}")
        self.backward_size = hidden_size if bidirectional else 0
        self.dropout = dropout
        sizes = [input_size] + [self.output_size] * (num_layers - 1)
        self.layers = nn.ModuleList(
            nn.ModuleList(make_layer(size) for _ in range(num_directions)) for size in sizes
        )
        for module in self.modules():
            if isinstance(module, nn.RNNBase):
                _initialize(module, recurrent=initialization)
                if forget_bias is not None:
                    _set_bias(module, gate=1, value=torch.tensor(forget_bias))
                if chrono_steps is not None:
                    _remember(module, num_steps=chrono_steps)
        num_states = 2 if any(isinstance(module, nn.LSTM) for module in self.modules()) else 1
        self.initial_state = (
            nn.Parameter(torch.zeros(num_layers, num_directions, num_states, hidden_size))
            if learn_initial_state
            else None
        )

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return the hidden states of a chunk, and the state of each layer after it.

        Raises:
            ValueError: a right-to-left reader cannot begin before it has seen the end.
        """
        if self.backward_size:
            raise ValueError("bidirectional=true reads whole sequences only, no steps or chunks")
        hidden, states = x, []
        for index, directions in enumerate(self.layers):
            assert isinstance(directions, nn.ModuleList)
            if index:
                hidden = functional.dropout(hidden, self.dropout, self.training)
            before = self._state(index, 0, len(x)) if state is None else _to_torch(state[index])
            hidden, after = _read(directions[0], hidden, lengths, before)
            states.append(after)
        return hidden, tuple(states)

    def forward(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b t h"]:
        """Return the hidden states of the last layer, forward half first."""
        hidden = x
        for index, directions in enumerate(self.layers):
            if index:
                hidden = functional.dropout(hidden, self.dropout, self.training)
            assert isinstance(directions, nn.ModuleList)
            outputs = directions[0](hidden, self._state(index, 0, len(x)))[0]
            if self.backward_size:
                mirrored = reverse_within_length(hidden, lengths)
                backward = directions[1](mirrored, self._state(index, 1, len(x)))[0]
                outputs = torch.cat([outputs, reverse_within_length(backward, lengths)], dim=-1)
            hidden = outputs
        return hidden

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return weight matrices, which decay, and biases and initial states, which do not."""
        weights = [p for name, p in self.named_parameters() if ".weight_" in name]
        others = [p for name, p in self.named_parameters() if ".weight_" not in name]
        return [
            {"params": weights, "lr_scale": 1.0, "decay": True},
            {"params": others, "lr_scale": 1.0, "decay": False},
        ]

    def _state(
        self, layer: int, direction: int, batch_size: int
    ) -> Tensor | tuple[Tensor, Tensor] | None:
        if self.initial_state is None:
            return None  # zero
        states = self.initial_state[layer, direction, :, None, None, :]  # (states, 1, 1, h)
        expanded = states.expand(-1, -1, batch_size, -1).contiguous()
        return (expanded[0], expanded[1]) if len(expanded) == 2 else expanded[0]


def _to_torch(state: State) -> Tensor | tuple[Tensor, Tensor]:
    """Return (h,) or (h, c), each (b, h), as torch's one-layer modules take it."""
    parts = [part[None].contiguous() for part in state]
    return (parts[0], parts[1]) if len(parts) == 2 else parts[0]


def _read(
    layer: nn.Module, x: Tensor, lengths: Tensor | None, state: Any
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return what a torch module says at each step, and its state after the last real ones."""
    if lengths is None:
        hidden, after = layer(x, state)
    else:
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        packed_hidden, after = layer(packed, state)
        hidden, _ = pad_packed_sequence(packed_hidden, batch_first=True, total_length=x.shape[1])
    return hidden, tuple(part[0] for part in (after if isinstance(after, tuple) else (after,)))


@torch.no_grad()
def _initialize(module: nn.RNNBase, *, recurrent: str) -> None:
    if recurrent == "torch":
        return
    fills = {"orthogonal": nn.init.orthogonal_, "identity": nn.init.eye_, "irnn": nn.init.eye_}
    fill = fills.get(recurrent)
    if fill is None:
        raise ValueError(
            "need initialization torch, orthogonal, identity or irnn, "
            f"got initialization={recurrent!r}"
        )
    for name, parameter in module.named_parameters():
        if name.startswith("bias_"):
            parameter.zero_()
            continue
        for gate in torch.split(parameter, module.hidden_size):
            if name.startswith("weight_hh_"):
                fill(gate)
            elif recurrent == "irnn":
                nn.init.normal_(gate, std=0.001)
            else:
                nn.init.xavier_uniform_(gate)


def _remember(module: nn.RNNBase, *, num_steps: int) -> None:
    """Let a unit with the bias log u keep its state for about u steps."""
    if isinstance(module, nn.RNN):
        return
    bias = torch.empty(module.hidden_size).uniform_(1, num_steps - 1).log()
    _set_bias(module, gate=1, value=bias)
    if isinstance(module, nn.LSTM):
        _set_bias(module, gate=0, value=-bias)


@torch.no_grad()
def _set_bias(module: nn.RNNBase, *, gate: int, value: Tensor) -> None:
    """Set the bias of one gate; torch's order is i, f, g, o in an LSTM and r, z, n in a GRU."""
    rows = slice(gate * module.hidden_size, (gate + 1) * module.hidden_size)
    module.get_parameter("bias_ih_l0")[rows] = value
    module.get_parameter("bias_hh_l0")[rows] = 0.0  # torch adds the two

"""A stack of torch's recurrent modules that respects sequence lengths, for RNN, LSTM and GRU.

Each layer and direction is a torch module of one layer, so that dropout between layers is computed
here: cuDNN's own dropout keeps a state on the GPU that cannot be reseeded per batch without a
synchronization. The right-to-left direction gets each sequence reversed within its own length, so
that it starts at the sequence's end and never in the padding. Nothing is packed in training, and
every exporter can follow. On a CPU, whole sequences can be computed by `encoders.native`, which has
the same parameters and results.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from unrolled.encoders.blocks.encoder import Encoder, Sizes, State
from unrolled.encoders.native.cells import Weights, run
from unrolled.encoders.native.kernel import KERNELS, native_library, resolve

RECURRENT_FILLS = {
    "orthogonal": nn.init.orthogonal_,
    "identity": nn.init.eye_,
    "irnn": nn.init.eye_,
}


def reverse_within_length(x: Float[Tensor, "b t f"], lengths: Int[Tensor, " b"]) -> Tensor:
    """Return x with the real steps of each sequence reversed and the padding in place."""
    steps = torch.arange(x.shape[1], device=x.device)
    mirrored = lengths[:, None] - 1 - steps  # (b, t)
    source = torch.where(mirrored >= 0, mirrored, steps)
    return x.gather(1, source[:, :, None].expand_as(x))


def torch_key(key: str) -> str:
    """Return the name that the parameter `key` has in torch's own stacked module.

    `layers.1.0.weight_hh_l0` is torch's `weight_hh_l1`, `layers.1.1.…` its `weight_hh_l1_reverse`.
    """
    _, layer, direction, name = key.split(".")
    return name.removesuffix("0") + layer + ("_reverse" if direction == "1" else "")


class RecurrentLayer(nn.RNNBase):
    """One layer and one direction of a Stacked encoder. A subclass is also a torch module.

    Its constructor takes the sizes of its input, the units, and the keys of `model.layer`:

        def __init__(self, sizes: Sizes, *, hidden_size: int) -> None:

    num_states: tensors in its state: 1 (h), or 2 (h and c).
    """

    num_states: ClassVar[int] = 1
    weight_ih_l0: Tensor
    weight_hh_l0: Tensor
    bias_ih_l0: Tensor
    bias_hh_l0: Tensor

    @property
    def weights(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Weights and biases, in the order of torch's functions for one step."""
        return self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0

    def cell(self, x_t: Float[Tensor, "b d"], state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the state after one step; its first tensor is the hidden state.

        state: num_states tensors, each (b, h).
        """
        raise NotImplementedError

    @torch.no_grad()
    def initialize(self, initialization: str, *, chrono_steps: int | None) -> None:
        """Set the initial weights. For the arguments see Stacked."""
        if initialization != "torch":
            self._fill(initialization)
        self.initialize_gates(chrono_steps=chrono_steps)

    def initialize_gates(self, *, chrono_steps: int | None) -> None:
        """Set the initial biases of the gates. The default is a layer without gates."""

    def chrono_bias(self, num_steps: int) -> Float[Tensor, " h"]:
        """Return log u, u ~ U(1, num_steps - 1): such a gate keeps its state for about u steps."""
        return torch.empty(self.hidden_size).uniform_(1, num_steps - 1).log()

    @torch.no_grad()
    def set_bias(self, *, gate: int, value: float | Tensor) -> None:
        """Set the bias of one gate, counted in torch's order."""
        rows = slice(gate * self.hidden_size, (gate + 1) * self.hidden_size)
        self.get_parameter("bias_ih_l0")[rows] = value
        self.get_parameter("bias_hh_l0")[rows] = 0.0  # torch adds the two

    def _fill(self, initialization: str) -> None:
        fill_recurrent = RECURRENT_FILLS.get(initialization)
        if fill_recurrent is None:
            raise ValueError(
                "need initialization torch, orthogonal, identity or irnn, "
                f"got initialization={initialization!r}"
            )
        for name, parameter in self.named_parameters():
            if name.startswith("bias_"):
                parameter.zero_()
                continue
            for gate in torch.split(parameter, self.hidden_size):
                if name.startswith("weight_hh_"):
                    fill_recurrent(gate)
                elif initialization == "irnn":
                    nn.init.normal_(gate, std=0.001)
                else:
                    nn.init.xavier_uniform_(gate)


class Stacked(Encoder):
    """Recurrent layers, one or two directions each.

    sizes: sizes that the data determines (input_size is d).
    layer: makes one layer from its sizes and hidden_size, e.g. partial(LSTM, forget_bias=1.0).
    hidden_size: units per layer and direction, >= 1. If bidirectional, h is twice as large.
    num_layers: layers, >= 1.
    bidirectional: whether a second direction reads from right to left.
    dropout: fraction of units dropped between layers, 0 <= dropout < 1; 0 with a single layer.
    learn_initial_state: whether the state before the first step is trained. Otherwise it is zero.
    initialization: torch (torch's own), or how the recurrent weights of each gate start:
        orthogonal (Saxe et al. 2014) or identity, with input weights after Glorot & Bengio
        (2010) and biases zero. irnn is identity with input weights N(0, 0.001^2) (Le et al. 2015).
    chrono_steps: None, or the number of steps, >= 3, up to which gates keep their state at the
        start: the bias of the gate that keeps the state (LSTM's forget gate, GRU's update gate) is
        log u with u ~ U(1, chrono_steps - 1), and the bias of LSTM's input gate its negative
        (Tallec & Ollivier 2018, section 2). It has no effect on a layer without gates.
    kernel: which code computes whole sequences: torch, native (on a CPU), or auto, the faster one;
        see `encoders.native.kernel`.
    """

    def __init__(
        self,
        sizes: Sizes,
        *,
        layer: Callable[..., RecurrentLayer],
        hidden_size: int,
        num_layers: int,
        bidirectional: bool,
        dropout: float,
        learn_initial_state: bool,
        initialization: str,
        chrono_steps: int | None,
        kernel: str,
    ) -> None:
        if kernel not in KERNELS:
            raise ValueError(f"need kernel auto, torch or native, got kernel={kernel!r}")
        if hidden_size < 1 or num_layers < 1:
            raise ValueError(
                "need hidden_size >= 1 and num_layers >= 1, "
                f"got hidden_size={hidden_size}, num_layers={num_layers}"
            )
        if chrono_steps is not None and chrono_steps < 3:
            raise ValueError(f"need chrono_steps >= 3, got chrono_steps={chrono_steps}")
        if not 0 <= dropout < 1:
            raise ValueError(f"need 0 <= dropout < 1, got dropout={dropout}")
        if dropout and num_layers == 1:
            raise ValueError(
                f"dropout={dropout} acts between layers, but num_layers=1; use num_layers=2, "
                "or head.dropout"
            )
        directions = 2 if bidirectional else 1
        super().__init__(
            output_size=hidden_size * directions, backward_size=hidden_size if bidirectional else 0
        )
        self.dropout = dropout
        self.kernel = kernel
        layers = [
            [
                layer(replace(sizes, input_size=size), hidden_size=hidden_size)
                for _ in range(directions)
            ]
            for size in [sizes.input_size] + [self.output_size] * (num_layers - 1)
        ]
        self.layers = nn.ModuleList(nn.ModuleList(row) for row in layers)
        self.left_to_right = [row[0] for row in layers]  # a plain list, which is faster in a step
        for row in layers:
            for made in row:
                made.initialize(initialization, chrono_steps=chrono_steps)
        self.num_states = layers[0][0].num_states
        shape = (num_layers, directions, self.num_states, hidden_size)
        self.initial_state = nn.Parameter(torch.zeros(shape)) if learn_initial_state else None

    def start(self, x_t: Float[Tensor, "b d"]) -> State:
        """Return the initial state of each layer."""
        if self.initial_state is None:
            zero = x_t.new_zeros(x_t.shape[0], self.output_size - self.backward_size)
            return ((zero,) * self.num_states,) * len(self.layers)
        return tuple(
            tuple(part.expand(x_t.shape[0], -1) for part in directions[0])
            for directions in self.initial_state
        )

    def step(
        self, x_t: Float[Tensor, "b d"], state: State | None
    ) -> tuple[Float[Tensor, "b h"], State]:
        """Return the hidden state of one step, and the state of each layer after it.

        Raises:
            ValueError: as `read`.
        """
        self._refuse_backward()
        hidden, states = x_t, list[State]()
        for layer, before in zip(self.left_to_right, state or self.start(x_t), strict=True):
            if states:
                hidden = functional.dropout(hidden, self.dropout, self.training)
            states.append(layer.cell(hidden, before))
            hidden = states[-1][0]
        return hidden, tuple(states)

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return the hidden states of a chunk, and the state of each layer after it.

        Raises:
            ValueError: bidirectional=true, because the second direction starts at the end.
        """
        self._refuse_backward()
        hidden, states = x, []
        for index, directions in enumerate(self.layers):
            assert isinstance(directions, nn.ModuleList)
            if index:
                hidden = functional.dropout(hidden, self.dropout, self.training)
            before = self._state(index, 0, x.shape[0]) if state is None else _to_torch(state[index])
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
            outputs = self._run(directions[0], hidden, lengths, self._state(index, 0, x.shape[0]))
            if self.backward_size:
                mirrored = reverse_within_length(hidden, lengths)
                state = self._state(index, 1, x.shape[0])
                backward = self._run(directions[1], mirrored, lengths, state)
                outputs = torch.cat([outputs, reverse_within_length(backward, lengths)], dim=-1)
            hidden = outputs
        return hidden

    @property
    def has_compiled_loop(self) -> bool:
        """Whether `model.kernel=native` is possible."""
        return True

    def resolve_kernel(self, device: torch.device) -> str:
        """Return torch or native, depending on `kernel` and the device."""
        return resolve(self.kernel, _cell(self.left_to_right[0]), device)

    def _run(
        self,
        layer: nn.Module,
        x: Tensor,
        lengths: Tensor,
        state: Tensor | tuple[Tensor, ...] | None,
    ) -> Tensor:
        """Return the outputs of a torch module. Those in the padding have no meaning."""
        is_torchs = isinstance(layer, nn.RNNBase)  # an export replaces it
        library = native_library(self.kernel, _cell(layer), x) if is_torchs else None
        if library is None:
            outputs: Tensor = layer(x, state)[0]
            return outputs
        assert isinstance(layer, nn.RNNBase)
        if state is not None:
            state = tuple(part[0] for part in (state if isinstance(state, tuple) else (state,)))
        return run(library, _cell(layer), x, lengths, state, Weights(*layer.all_weights[0]))

    def _refuse_backward(self) -> None:
        if self.backward_size:
            raise ValueError(
                "bidirectional=true needs whole sequences; it cannot run in steps or chunks"
            )

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return weight matrices with decay, and biases and initial states without."""
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


def _cell(layer: nn.Module) -> str:
    """Return tanh, relu, lstm or gru."""
    assert isinstance(layer, nn.RNNBase)
    return str(layer.mode).removeprefix("RNN_").lower()


def _to_torch(state: State) -> Tensor | tuple[Tensor, Tensor]:
    """Return the state (h,) or (h, c), each (b, h), in the form of torch's one-layer modules."""
    parts = [part[None].contiguous() for part in state]
    return (parts[0], parts[1]) if len(parts) == 2 else parts[0]


def _read(
    layer: nn.Module, x: Tensor, lengths: Tensor | None, state: Any
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return the outputs of a torch module, and its state after each last real step."""
    if lengths is None:
        hidden, after = layer(x, state)
    else:
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        packed_hidden, after = layer(packed, state)
        hidden, _ = pad_packed_sequence(packed_hidden, batch_first=True, total_length=x.shape[1])
    return hidden, tuple(part[0] for part in (after if isinstance(after, tuple) else (after,)))

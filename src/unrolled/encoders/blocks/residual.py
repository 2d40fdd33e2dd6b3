"""A stack of recurrent layers, each in a residual block or bare.

Pre-norm residual blocks: Xiong et al. (2020), On layer normalization in the transformer
architecture, figure 1b. Mixing after the layer: GELU and a gated linear unit, as in S4D and the LRU
(Orvieto et al. 2023). Short convolution before the layer: Feng et al. (2024), for language.

Departures:
- Normalization is over the units of a step (layer normalization). Batch normalization, which some
  of the papers use, would let padding into the statistics.
- The GELU is the exact one, and there is no dropout between GELU and gated linear unit. Dropout
  follows the block.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from unrolled.encoders.blocks.encoder import Encoder, Sizes, State, decay_groups, with_past
from unrolled.encoders.native.kernel import KERNELS, native_library, resolve
from unrolled.encoders.native.library import Library


class Layer(nn.Module, ABC):
    """One recurrent layer of a ResidualStack.

    A subclass implements `read` and `start`. Its constructor takes the sizes of its input, the
    units, and the keys of `model.layer` in its config:

        def __init__(self, sizes: Sizes, *, hidden_size: int, dt: float) -> None:

    cell: the name of its compiled loop in `encoders.native.kernel`, or None. A layer that has one
        implements `run_native`. A subclass with other equations has none, unless it implements one.
    """

    cell: ClassVar[str | None] = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = vars(cls)
        if ("read" in own or "forward" in own) and "run_native" not in own:
            cls.cell = None

    @abstractmethod
    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return the hidden states of a chunk and the state after it, like `Encoder.read`."""

    @abstractmethod
    def start(self, x_t: Float[Tensor, "b d"]) -> State:
        """Return the state before the first step, like `Encoder.start`."""

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t h"]:
        """Return the hidden states of whole sequences. Override it if there is a faster way."""
        return self.read(x, None, None)[0]

    def run_native(
        self, library: Library, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b t h"]:
        """Return the hidden states of whole sequences like `forward`, by the compiled loop.

        Hidden states in the padding have no meaning.
        """
        raise NotImplementedError

    def initialize_as_last(self) -> None:
        """Change the initial weights of the last layer of a stack."""

    def recurrent_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that determine how the state decays.

        They have a learning rate of their own (`recurrent_lr_scale`) and no weight decay.
        """
        return []


class Block(nn.Module):
    """x + dropout(mix(layer(conv(norm(x))))), or dropout(layer(x)) if residual=False.

    layer: the recurrent layer. In a residual block its input and output have `size` units.
    size: units of the residual stream (h).
    residual, mixing, conv_size, dropout: see ResidualStack.
    """

    def __init__(
        self,
        layer: Layer,
        *,
        size: int,
        residual: bool,
        mixing: bool,
        conv_size: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.residual = residual
        self.norm = nn.LayerNorm(size) if residual else nn.Identity()
        self.num_past = max(conv_size - 1, 0)
        self.convolution = nn.Conv1d(size, size, conv_size, groups=size) if conv_size else None
        self.layer = layer
        mixers = (nn.GELU(), nn.Linear(size, 2 * size), nn.GLU()) if mixing else ()
        self.mix = nn.Sequential(*mixers)
        self.dropout = dropout

    def forward(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"], kernel: str
    ) -> Float[Tensor, "b t h"]:
        """Return the output of this block for whole sequences.

        kernel: auto, torch or native.
        """
        inner, _ = self._convolved(x, None, None)
        cell = self.layer.cell if isinstance(self.layer, Layer) else None  # an export replaces it
        library = native_library(kernel, cell, inner)
        if library is None:
            return self._joined(x, self.layer(inner))
        return self._joined(x, self.layer.run_native(library, inner, lengths))

    def start(self, x_t: Float[Tensor, "b d"]) -> State:
        """Return the state of convolution and layer before the first step."""
        num, size = x_t.shape
        past = None if self.convolution is None else x_t.new_zeros(num, self.num_past, size)
        return past, self.layer.start(x_t)

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return the output for a chunk, and the state of convolution and layer after it."""
        past, before = state or (None, None)
        inner, past = self._convolved(x, lengths, past)
        hidden, after = self.layer.read(inner, lengths, before)
        return self._joined(x, hidden), (past, after)

    def _convolved(
        self, x: Tensor, lengths: Tensor | None, past: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        x = self.norm(x)
        if self.convolution is None:
            return x, None
        extended, past = with_past(x, lengths, past, num_past=self.num_past)
        return self.convolution(extended.mT).mT, past

    def _joined(self, x: Tensor, hidden: Tensor) -> Tensor:
        branch = functional.dropout(self.mix(hidden), self.dropout, self.training)
        return x + branch if self.residual else branch


class ResidualStack(Encoder):
    """norm(blocks(embedding(x))); with residual=False the layers alone, one after the other.

    sizes: sizes that the data determines.
    layer: makes one layer from its sizes and hidden_size, e.g. partial(LEM, dt=1.0).
    hidden_size: units of the stream and of each layer (h), >= 1.
    num_layers: layers, >= 1.
    residual: whether each layer is wrapped in a residual block.
    mixing: whether units are mixed after each layer (needs residual=True).
    conv_size: steps of a causal convolution before each layer, unit by unit, or 0 (needs
        residual=True).
    dropout: fraction of units dropped after each block, or between bare layers, 0 <= dropout < 1.
    recurrent_lr_scale: factor on the learning rate of the recurrent parameters, > 0.
    kernel: which code computes the loop over time of whole sequences: torch, native (on a CPU, only
        for layers that have it), or auto, the faster one; see `encoders.native.kernel`.
    """

    def __init__(
        self,
        sizes: Sizes,
        *,
        layer: Callable[..., Layer],
        hidden_size: int,
        num_layers: int,
        residual: bool,
        mixing: bool,
        conv_size: int,
        dropout: float,
        recurrent_lr_scale: float,
        kernel: str,
    ) -> None:
        super().__init__(output_size=hidden_size)
        if kernel not in KERNELS:
            raise ValueError(f"need kernel auto, torch or native, got kernel={kernel!r}")
        if num_layers < 1 or conv_size < 0 or recurrent_lr_scale <= 0:
            raise ValueError(
                "need num_layers >= 1, conv_size >= 0 and recurrent_lr_scale > 0, got "
                f"num_layers={num_layers}, conv_size={conv_size}, "
                f"recurrent_lr_scale={recurrent_lr_scale}"
            )
        if not 0 <= dropout < 1:
            raise ValueError(f"need 0 <= dropout < 1, got dropout={dropout}")
        if not residual and (mixing or conv_size):
            raise ValueError(f"mixing={mixing} and conv_size={conv_size} need residual=true")
        self.recurrent_lr_scale = recurrent_lr_scale
        self.kernel = kernel
        self.embedding = nn.Linear(sizes.input_size, hidden_size) if residual else nn.Identity()
        first = hidden_size if residual else sizes.input_size
        blocks = [
            Block(
                layer(replace(sizes, input_size=size), hidden_size=hidden_size),
                size=hidden_size,
                residual=residual,
                mixing=mixing,
                conv_size=conv_size,
                dropout=dropout if residual or index + 1 < num_layers else 0.0,
            )
            for index, size in enumerate([first] + [hidden_size] * (num_layers - 1))
        ]
        self.cell = blocks[-1].layer.cell
        blocks[-1].layer.initialize_as_last()
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(hidden_size) if residual else nn.Identity()

    def forward(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b t h"]:
        """Return the hidden states of the last layer."""
        hidden = self.embedding(x)
        for block in self.blocks:
            hidden = block(hidden, lengths, self.kernel)
        normed: Tensor = self.norm(hidden)
        return normed

    def start(self, x_t: Float[Tensor, "b d"]) -> State:
        """Return the state of every block before the first step."""
        hidden = x_t.new_zeros(x_t.shape[0], self.output_size)
        is_bare = isinstance(self.embedding, nn.Identity)
        blocks = [block for block in self.blocks if isinstance(block, Block)]
        return tuple(
            block.start(x_t if is_bare and index == 0 else hidden)
            for index, block in enumerate(blocks)
        )

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return the hidden states of a chunk, and the state of every block after it."""
        hidden = self.embedding(x)
        states = []
        for index, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            hidden, after = block.read(hidden, lengths, state and state[index])
            states.append(after)
        return self.norm(hidden), tuple(states)

    @property
    def has_compiled_loop(self) -> bool:
        """Whether `model.kernel=native` is possible."""
        return self.cell is not None

    def resolve_kernel(self, device: torch.device) -> str:
        """Return torch or native, depending on `kernel`, the layer and the device."""
        return resolve(self.kernel, self.cell, device)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return matrices, vectors and the recurrent parameters, which are in no other group."""
        layers = [module for module in self.modules() if isinstance(module, Layer)]
        recurrent = [p for layer in layers for p in layer.recurrent_parameters()]
        chosen = {id(p) for p in recurrent}
        groups = decay_groups([p for p in self.parameters() if id(p) not in chosen])
        if recurrent:
            slower = {"params": recurrent, "lr_scale": self.recurrent_lr_scale, "decay": False}
            groups.append(slower)
        return groups

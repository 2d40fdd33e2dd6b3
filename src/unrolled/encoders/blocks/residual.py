"""Layers in a row, each in a residual block or bare: what the hand-written encoders share.

Pre-norm residual blocks: Xiong et al. (2020), On layer normalization in the transformer
architecture, figure 1b. Mixing after the layer: GELU and a gated linear unit, as in S4D and the LRU
(Orvieto et al. 2023). Short convolution before it: Feng et al. (2024), for language.
Normalisation is over the units of a step: over a batch it would let padding in.
"""

import inspect
from abc import ABC, abstractmethod
from typing import Any, ClassVar

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from unrolled.encoders.blocks.reader import Reader, State, decay_groups, with_past


class Layer(nn.Module, ABC):
    """One recurrent layer."""

    @abstractmethod
    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return hidden states and the state after the last real step, as Reader.read does."""

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t h"]:
        """Return the hidden states of whole sequences; a layer may know a faster way than read."""
        return self.read(x, None, None)[0]

    def recurrent_parameters(self) -> list[nn.Parameter]:
        """Return what decides how the state decays: trained more slowly, and without decay."""
        return []


class Block(nn.Module):
    """x + dropout(mix(layer(conv(norm(x))))), conv and mix optional; bare: dropout(layer(x)).

    layer: what it is about; in a residual block from size to size units.
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

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t h"]:
        """Return the stream after this block, for whole sequences."""
        inner, _ = self._convolved(x, None, None)
        return self._joined(x, self.layer(inner))

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return the same for a chunk, and the state of convolution and layer after it."""
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


class ResidualStack(Reader):
    """embedding, blocks, norm; without `residual` the layers alone, one after the other.

    A subclass names its `layer`; its signature is this one with its own and the layer's settings.

    input_size: features per step (d).
    hidden_size: units of the stream and of each layer (h), >= 1.
    num_layers: layers, >= 1.
    residual: whether each layer stands in a residual block.
    mixing: whether units are mixed after each layer; in residual blocks only.
    conv_size: steps of a causal convolution before each layer, unit by unit; 0 for none; in
        residual blocks only.
    dropout: fraction of units silenced after each block, or between bare layers, 0 <= dropout < 1.
    recurrent_lr_scale: factor on the learning rate of the recurrent parameters, > 0.
    settings: of the layer, less input_size and hidden_size.
    """

    layer: ClassVar[type[Layer]]
    __signature__: ClassVar[inspect.Signature]

    def __init_subclass__(cls) -> None:
        """Say in the signature what the layer takes: configs are checked against it."""
        super().__init_subclass__()
        of_all, of_cls = (inspect.signature(c.__init__).parameters for c in (ResidualStack, cls))
        stack = {**of_all, **of_cls}
        settings = inspect.signature(cls.layer).parameters
        merged = {name: p for name, p in stack.items() if name not in ("self", "settings")}
        cls.__signature__ = inspect.Signature(list({**settings, **merged}.values()))

    def __init__(
        self,
        *,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        residual: bool,
        mixing: bool,
        conv_size: int,
        dropout: float,
        recurrent_lr_scale: float,
        **settings: Any,
    ) -> None:
        super().__init__(input_size=input_size, output_size=hidden_size)
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
        self.embedding = nn.Linear(input_size, hidden_size) if residual else nn.Identity()
        sizes = [hidden_size if residual else input_size] + [hidden_size] * (num_layers - 1)
        self.blocks = nn.ModuleList(
            Block(
                self.layer(input_size=size, hidden_size=hidden_size, **settings),
                size=size,
                residual=residual,
                mixing=mixing,
                conv_size=conv_size,
                dropout=dropout if residual or index + 1 < num_layers else 0.0,
            )
            for index, size in enumerate(sizes)
        )
        self.norm = nn.LayerNorm(hidden_size) if residual else nn.Identity()

    def forward(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b t h"]:
        """Return the hidden states of the last layer."""
        hidden = self.embedding(x)
        for block in self.blocks:
            hidden = block(hidden)
        normed: Tensor = self.norm(hidden)
        return normed

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

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return recurrent parameters (slower, no decay), other matrices and other vectors."""
        layers = [module for module in self.modules() if isinstance(module, Layer)]
        recurrent = [p for layer in layers for p in layer.recurrent_parameters()]
        chosen = {id(p) for p in recurrent}
        groups = decay_groups([p for p in self.parameters() if id(p) not in chosen])
        if recurrent:
            slower = {"params": recurrent, "lr_scale": self.recurrent_lr_scale, "decay": False}
            groups.append(slower)
        return groups

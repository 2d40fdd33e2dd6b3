"""The contract of a stem: a sequence becomes a shorter one before the encoder reads it."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unrolled.encoders.blocks.encoder import Sizes, State, decay_groups


class Stemmed(NamedTuple):
    """What a stem returns.

    x: the sequences that the encoder reads, (b, u, k).
    lengths: their numbers of real steps, (b,).
    summary: one vector per sequence, (b, s), which the head joins with what it pools, or None.
    """

    x: Float[Tensor, "b u k"]
    lengths: Int[Tensor, " b"]
    summary: Float[Tensor, "b s"] | None


class StemStep(NamedTuple):
    """What a stem returns for one step of a stream.

    x: the newest step that the encoder reads, computed as if the sequences ended here, (b, k).
    summary: as in `Stemmed`, as if the sequences ended here, or None.
    is_complete: whether later steps leave x as it is, (b,). Until then, the next calls return the
        same step again with other values. None: always.
    state: for the next call.
    """

    x: Float[Tensor, "b k"]
    summary: Float[Tensor, "b s"] | None
    is_complete: Bool[Tensor, " b"] | None
    state: State


class Stem(nn.Module, ABC):
    """Maps sequences to shorter sequences of other features.

    A subclass implements `forward`, and `start` and `step` if it can read from left to right. Its
    constructor takes the sizes and the keys of its config, as encoders do.

    output: the sizes of the sequences that it returns.
    summary_size: features of the summary (s), 0 for none.
    is_chunkable: whether a chunk of a sequence can be mapped without the rest of it.
    is_causal: whether no step depends on later ones, so that `step` can be called.
    """

    def __init__(
        self,
        *,
        output: Sizes,
        summary_size: int = 0,
        is_chunkable: bool = False,
        is_causal: bool = False,
    ) -> None:
        super().__init__()
        self.output = output
        self.summary_size = summary_size
        self.is_chunkable = is_chunkable
        self.is_causal = is_causal

    @abstractmethod
    def forward(self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]) -> Stemmed:
        """Return the shorter sequences. No real step of them depends on padding."""

    def start(self, x_t: Float[Tensor, "b d"]) -> State:
        """Return the state before the first step of a stream.

        x_t: a step, of which only shape, dtype and device are used.
        """
        raise NotImplementedError

    def step(self, x_t: Float[Tensor, "b d"], state: State) -> StemStep:
        """Return the newest step for the encoder after one more step of the sequences."""
        raise NotImplementedError

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return every parameter exactly once; see `Encoder.parameter_groups`."""
        return decay_groups(list(self.parameters()))

"""The contract of a stem: a sequence becomes a shorter one before the encoder reads it."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.encoders.blocks.encoder import Sizes, decay_groups


class Stemmed(NamedTuple):
    """What a stem returns.

    x: the sequences that the encoder reads, (b, u, k).
    lengths: their numbers of real steps, (b,).
    summary: one vector per sequence, (b, s), which the head joins with what it pools, or None.
    """

    x: Float[Tensor, "b u k"]
    lengths: Int[Tensor, " b"]
    summary: Float[Tensor, "b s"] | None


class Stem(nn.Module, ABC):
    """Maps sequences to shorter sequences of other features.

    A subclass implements `forward`. Its constructor takes the sizes and the keys of its config, as
    encoders do.

    output: the sizes of the sequences that it returns.
    summary_size: features of the summary (s), 0 for none.
    is_chunkable: whether a chunk of a sequence can be mapped without the rest of it.
    """

    def __init__(self, *, output: Sizes, summary_size: int = 0, is_chunkable: bool = False) -> None:
        super().__init__()
        self.output = output
        self.summary_size = summary_size
        self.is_chunkable = is_chunkable

    @abstractmethod
    def forward(self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]) -> Stemmed:
        """Return the shorter sequences. No real step of them depends on padding."""

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return every parameter exactly once; see `Encoder.parameter_groups`."""
        return decay_groups(list(self.parameters()))

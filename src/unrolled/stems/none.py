"""No stem: the encoder reads the sequences of the data."""

from jaxtyping import Float, Int
from torch import Tensor

from unrolled.encoders.blocks.encoder import Sizes, State
from unrolled.stems.stem import Stem, Stemmed, StemStep


class NoStem(Stem):
    """Returns its input, and no summary."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__(output=sizes, is_chunkable=True, is_causal=True)

    def forward(self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]) -> Stemmed:
        """Return the input."""
        return Stemmed(x, lengths, None)

    def start(self, x_t: Float[Tensor, "b d"]) -> State:
        """Return an empty state."""
        return ()

    def step(self, x_t: Float[Tensor, "b d"], state: State) -> StemStep:
        """Return the step."""
        return StemStep(x_t, None, None, ())

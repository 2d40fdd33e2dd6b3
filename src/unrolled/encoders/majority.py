"""Ignores the input: the head's bias alone learns how frequent each class is."""

from jaxtyping import Float, Int
from torch import Tensor

from unrolled.encoders.blocks.encoder import Encoder, Sizes, State


class Majority(Encoder):
    """h_t = 0, so that the logits are the head's bias: after training, the log class frequencies.

    sizes: sizes that the data determines (not used).
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__(output_size=1)

    def start(self, x_t: Float[Tensor, "b d"]) -> State:
        """Return an empty state."""
        return ()

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return zeros."""
        return x.new_zeros(*x.shape[:2], self.output_size), ()

"""The steps unchanged: with head=all_steps, logistic regression on the whole sequence."""

from jaxtyping import Float, Int
from torch import Tensor

from unrolled.encoders.blocks.encoder import Encoder, Sizes, State


class Identity(Encoder):
    """h_t = x_t.

    sizes: sizes that the data determines (input_size is d = h).
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__(output_size=sizes.input_size)

    def start(self, x_t: Float[Tensor, "b d"]) -> State:
        """Return an empty state."""
        return ()

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return the steps."""
        return x, ()

"""The steps as they are: with head=all_steps, logistic regression on the whole sequence."""

from jaxtyping import Float, Int
from torch import Tensor

from unrolled.encoders.blocks.reader import Reader, State


class Identity(Reader):
    """h_t = x_t.

    input_size: features per step (d); h = d.
    """

    def __init__(self, *, input_size: int) -> None:
        super().__init__(input_size=input_size, output_size=input_size)

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return the steps."""
        return x, ()

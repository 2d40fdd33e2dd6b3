"""Summary statistics of all steps so far: with a linear readout, logistic regression.

This baseline ignores the order of the steps. A recurrent network that does no better has found
nothing beyond six numbers per feature.
"""

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from unrolled.encoders.blocks.encoder import Encoder, Sizes, State, last_real

STATISTICS = ("mean", "standard deviation", "minimum", "maximum", "first", "last")
SMALLEST_VARIANCE = 1e-12  # the gradient of the root is unusable below it


def summary_features(x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]) -> Float[Tensor, "b k"]:
    """Return the statistics of each sequence's real steps: k = 6 d, in the order of STATISTICS.

    lengths: real steps, 1 <= lengths <= t.
    """
    return last_real(running_summary(x, None)[0], lengths)


def running_summary(
    x: Float[Tensor, "b t d"], state: State | None
) -> tuple[Float[Tensor, "b t k"], tuple[Shaped[Tensor, "b t _"], ...]]:
    """Return the statistics of the steps up to each step, and the running values they come from.

    The standard deviation is the population's (divided by n), at least 1e-6.

    state: the running values at the last step of the previous chunk. None: this chunk is the
        beginning of the sequences.
    """
    first, count, total, squares, lowest, highest = state or no_steps(x[:, 0])
    first = torch.where(count > 0, first, x[:, 0])
    shifted = x - first[:, None]  # around the first value, to keep sums of squares precise
    counts = count[:, None] + torch.ones_like(x[:, :, :1]).cumsum(dim=1)  # (b, t, 1)
    totals = total[:, None] + shifted.cumsum(dim=1)
    all_squares = squares[:, None] + shifted.square().cumsum(dim=1)
    # exporters have no cumulative minimum, and export single steps
    lows, highs = (x, x) if x.shape[1] == 1 else (x.cummin(dim=1).values, x.cummax(dim=1).values)
    lows = torch.minimum(lowest[:, None], lows)
    highs = torch.maximum(highest[:, None], highs)
    mean = totals / counts
    variance = (all_squares / counts - mean.square()).clamp(min=SMALLEST_VARIANCE)
    firsts = first[:, None].expand_as(x)
    summary = torch.cat([mean + firsts, variance.sqrt(), lows, highs, firsts, x], dim=-1)
    return summary, (firsts, counts, totals, all_squares, lows, highs)


def no_steps(x_t: Float[Tensor, "b d"]) -> State:
    """Return the running values before the first step."""
    zero = torch.zeros_like(x_t)
    far = torch.full_like(x_t, torch.inf)
    return zero, zero[:, :1], zero, zero, far, -far


class Summary(Encoder):
    """h_t = (mean, deviation, minimum, maximum, first, last of x_1, ..., x_t), feature by feature.

    sizes: sizes that the data determines (input_size is d, and h = 6 d).
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__(output_size=len(STATISTICS) * sizes.input_size)

    def start(self, x_t: Float[Tensor, "b d"]) -> State:
        """Return running values of no steps."""
        return no_steps(x_t)

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return the statistics so far at every step, and their running values."""
        summary, running = running_summary(x, state)
        return summary, tuple(last_real(part, lengths) for part in running)

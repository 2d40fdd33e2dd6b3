"""Temporal order of two marks. Hochreiter & Schmidhuber (1997), section 5.6, task 6a.

There a sequence has 100 to 110 steps, the marks stand at steps 10 to 20 and 50 to 60, between a
start and an end symbol. Here the places are the same shares of any length, and no symbol marks
where a sequence starts and ends.
"""

import torch
from jaxtyping import Int
from torch import Tensor

from unrolled.contracts import Sequences
from unrolled.data.tasks.generated import Generated, one_hot

NUM_DISTRACTORS = 4
X = NUM_DISTRACTORS  # symbol of the first kind of mark; Y follows


class TemporalOrder(Generated):
    """Distractors and two marks, each X or Y; the class is their order. Settings: see Generated."""

    class_names = ("XX", "XY", "YX", "YY")
    baseline_name = "the second mark alone"
    shortest = 4

    def draw(
        self, lengths: Int[Tensor, " n"], generator: torch.Generator
    ) -> tuple[Tensor, Int[Tensor, " n"]]:
        """Return symbols, a feature each, and the order of the marks."""
        num, num_steps = len(lengths), int(lengths.max())
        symbols = torch.randint(NUM_DISTRACTORS, (num, num_steps), generator=generator)
        marks = torch.randint(2, (num, 2), generator=generator)
        rows = torch.arange(num)
        for number, share in enumerate((0.1, 0.5)):
            offset = share + 0.1 * torch.rand(num, generator=generator)
            places = (offset * lengths).long()
            symbols[rows, places] = X + marks[:, number]
        return one_hot(symbols, num_symbols=X + 2), 2 * marks[:, 0] + marks[:, 1]

    def simple_solution(self, part: Sequences) -> Int[Tensor, " n"]:
        """Return the class of an X and the second mark."""
        steps = torch.arange(part.x.shape[1])[:, None]
        newest = (part.x[:, :, X:] * steps).amax(dim=1)  # (n, 2): where X, where Y stood last
        return newest.argmax(dim=1)

"""Adding: is the sum of two marked numbers above one? Hochreiter & Schmidhuber (1997), section 5.4.

Numbers are uniform in [0, 1] and one is marked in each half, as in Le et al. (2015), section 4.1;
there the sum is the target of a regression.
"""

import torch
from jaxtyping import Int
from torch import Tensor

from unrolled.contracts import Sequences
from unrolled.data.tasks.generated import Generated


class Adding(Generated):
    """Steps of a number and a mark; class 1 if the two marked numbers sum to more than 1.

    Settings: see Generated.
    """

    class_names = ("below one", "above one")
    baseline_name = "the second number alone"
    shortest = 2

    def draw(
        self, lengths: Int[Tensor, " n"], generator: torch.Generator
    ) -> tuple[Tensor, Int[Tensor, " n"]]:
        """Return numbers with marks, and whether the marked ones sum to more than one."""
        num, num_steps = len(lengths), int(lengths.max())
        x = torch.stack(
            [torch.rand(num, num_steps, generator=generator), torch.zeros(num, num_steps)], dim=2
        )
        rows, half = torch.arange(num), lengths // 2
        first = (torch.rand(num, generator=generator) * half).long()
        second = half + (torch.rand(num, generator=generator) * (lengths - half)).long()
        x[rows, first, 1] = x[rows, second, 1] = 1.0
        return x, (x[rows, first, 0] + x[rows, second, 0] > 1).long()

    def simple_solution(self, part: Sequences) -> Int[Tensor, " n"]:
        """Return whether the second number is above a half."""
        steps = torch.arange(part.x.shape[1])
        second = (part.x[:, :, 1] * steps).argmax(dim=1)
        return (part.x[torch.arange(len(part)), second, 0] > 0.5).long()

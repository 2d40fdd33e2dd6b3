"""The last symbol of the copy task. Hochreiter & Schmidhuber (1997); Arjovsky et al. (2016), 4.1.

The copy task shows ten of eight symbols, then blanks, then a mark, and asks for all ten again; as
classification it asks for the last of the ten.
"""

import torch
from jaxtyping import Int
from torch import Tensor

from unrolled.contracts import Sequences
from unrolled.data.tasks.generated import Generated, at_last_step, one_hot

NUM_SYMBOLS = 8
NUM_SHOWN = 10
BLANK, MARK = NUM_SYMBOLS, NUM_SYMBOLS + 1


class CopyLast(Generated):
    """Ten symbols, blanks, a mark; the class is the tenth symbol. Settings: see Generated."""

    class_names = tuple(str(number) for number in range(NUM_SYMBOLS))
    baseline_name = "a guess from the last step"
    shortest = NUM_SHOWN + 1

    def draw(
        self, lengths: Int[Tensor, " n"], generator: torch.Generator
    ) -> tuple[Tensor, Int[Tensor, " n"]]:
        """Return symbols, a feature each, and the one to be remembered."""
        num, num_steps = len(lengths), int(lengths.max())
        symbols = torch.full((num, num_steps), BLANK)
        symbols[:, :NUM_SHOWN] = torch.randint(NUM_SYMBOLS, (num, NUM_SHOWN), generator=generator)
        symbols[torch.arange(num), lengths - 1] = MARK
        return one_hot(symbols, num_symbols=MARK + 1), symbols[:, NUM_SHOWN - 1]

    def simple_solution(self, part: Sequences) -> Int[Tensor, " n"]:
        """Return the same class for all: the last step is the same for all."""
        return at_last_step(part).argmax(dim=1) - MARK

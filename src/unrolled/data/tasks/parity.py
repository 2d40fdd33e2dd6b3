"""Parity: is the number of ones odd? One bit of memory, changed at every step and never lost."""

import torch
from jaxtyping import Int
from torch import Tensor

from unrolled.contracts import Sequences, real_steps
from unrolled.data.tasks.generated import Generated, at_last_step, one_hot


class Parity(Generated):
    """Bits, uniform; class 1 if the sum is odd. Settings: see Generated."""

    baseline_name = "the last bit"

    def draw(
        self, lengths: Int[Tensor, " n"], generator: torch.Generator
    ) -> tuple[Tensor, Int[Tensor, " n"]]:
        """Return bits as two features each, and their parity."""
        shape = (len(lengths), int(lengths.max()))
        bits = torch.randint(2, shape, generator=generator)
        real = real_steps(lengths, shape[1])
        return one_hot(bits, num_symbols=2), (bits * real).sum(dim=1) % 2

    def simple_solution(self, part: Sequences) -> Int[Tensor, " n"]:
        """Return the last bit."""
        return at_last_step(part).argmax(dim=1)

"""Dyck words: are the brackets balanced? Suzgun et al. (2019), LSTM networks can perform counting.

Half of the words are balanced. The others are balanced ones in which two brackets changed places
or one became another, so that most of them still begin and end as a balanced one does.
"""

import torch
from jaxtyping import Int
from torch import Tensor

from unrolled.contracts import Sequences
from unrolled.data.tasks.generated import Generated, at_last_step, one_hot
from unrolled.errors import ConfigError


class Dyck(Generated):
    """Words of num_kinds kinds of brackets; class 1 if every bracket is closed by its own kind.

    num_kinds: >= 1; with 1 counting is enough, with 2 a stack is needed.
    The others: see Generated. A length that is odd becomes the next smaller one.
    """

    baseline_name = "first opens, last closes"
    shortest = 2

    def __init__(
        self,
        *,
        num_kinds: int,
        num_train: int,
        num_val: int,
        num_test: int,
        min_steps: int,
        max_steps: int,
        test_min_steps: int,
        test_max_steps: int,
        seed: int,
    ) -> None:
        if num_kinds < 1:
            raise ConfigError(f"data.source: need num_kinds >= 1, got {num_kinds}")
        self.num_kinds = num_kinds
        super().__init__(
            num_train=num_train,
            num_val=num_val,
            num_test=num_test,
            min_steps=min_steps,
            max_steps=max_steps,
            test_min_steps=test_min_steps,
            test_max_steps=test_max_steps,
            seed=seed,
        )

    def draw(
        self, lengths: Int[Tensor, " n"], generator: torch.Generator
    ) -> tuple[Tensor, Int[Tensor, " n"]]:
        """Return brackets, one feature each (opening brackets first), and whether they match."""
        lengths -= lengths % 2  # in place: the caller uses these lengths, too
        num, num_steps = len(lengths), int(lengths.max())
        words = torch.zeros(num, num_steps, dtype=torch.long)
        wanted = torch.randint(2, (num,), generator=generator)
        for row, (length, balanced) in enumerate(
            zip(lengths.tolist(), wanted.tolist(), strict=True)
        ):
            word = self._balanced(length, generator)
            while not balanced and self.is_balanced(word):
                word = self._damaged(word, generator)
            words[row, :length] = torch.tensor(word)
        return one_hot(words, num_symbols=2 * self.num_kinds), wanted

    def _balanced(self, length: int, generator: torch.Generator) -> list[int]:
        """Return a balanced word; it opens no bracket that it could not close in time."""
        chances = torch.rand(length, generator=generator).tolist()
        kinds = torch.randint(self.num_kinds, (length,), generator=generator).tolist()
        word: list[int] = []
        stack: list[int] = []
        for step, (chance, kind) in enumerate(zip(chances, kinds, strict=True)):
            left = length - step
            if not stack or (len(stack) < left and chance < 0.5):
                stack.append(kind)
                word.append(kind)
            else:
                word.append(self.num_kinds + stack.pop())
        return word

    def _damaged(self, word: list[int], generator: torch.Generator) -> list[int]:
        one, other = torch.randint(len(word), (2,), generator=generator).tolist()
        symbol = int(torch.randint(2 * self.num_kinds, (), generator=generator))
        damaged = list(word)
        if symbol % 2:
            damaged[one], damaged[other] = word[other], word[one]
        else:
            damaged[one] = symbol
        return damaged

    def is_balanced(self, word: list[int]) -> bool:
        """Return whether every bracket of a word is closed by its own kind."""
        stack: list[int] = []
        for symbol in word:
            if symbol < self.num_kinds:
                stack.append(symbol)
            elif not stack or stack.pop() != symbol - self.num_kinds:
                return False
        return not stack

    def simple_solution(self, part: Sequences) -> Int[Tensor, " n"]:
        """Return whether the first bracket opens and the last closes."""
        opens = part.x[:, 0, : self.num_kinds].any(dim=1)
        closes = at_last_step(part)[:, self.num_kinds :].any(dim=1)
        return (opens & closes).long()

"""Selective copying: what to remember stands anywhere. Gu & Dao (2023), Mamba, section 3.1.

The task scatters tokens among blanks and asks for all of them in order; as classification it asks
for the first, which the later ones must not overwrite.
"""

import torch
from jaxtyping import Int
from torch import Tensor

from unrolled.contracts import Sequences
from unrolled.data.tasks.generated import Generated, one_hot
from unrolled.errors import ConfigError

NUM_SYMBOLS = 8
BLANK = NUM_SYMBOLS


class SelectiveCopying(Generated):
    """num_tokens symbols at random steps among blanks; the class is the first symbol.

    num_tokens: 1 <= num_tokens <= min_steps and test_min_steps.
    The others: see Generated.
    """

    class_names = tuple(str(number) for number in range(NUM_SYMBOLS))
    baseline_name = "the last symbol"

    def __init__(
        self,
        *,
        num_tokens: int,
        num_train: int,
        num_val: int,
        num_test: int,
        min_steps: int,
        max_steps: int,
        test_min_steps: int,
        test_max_steps: int,
        seed: int,
    ) -> None:
        if not 1 <= num_tokens <= min(min_steps, test_min_steps):
            raise ConfigError(
                "data.source: need 1 <= num_tokens <= min_steps and test_min_steps, "
                f"got {num_tokens}, {min_steps} and {test_min_steps}"
            )
        self.num_tokens = num_tokens
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
        """Return symbols, a feature each, and the first that is no blank."""
        num, num_steps = len(lengths), int(lengths.max())
        chances = torch.rand(num, num_steps, generator=generator)
        chances[torch.arange(num_steps) >= lengths[:, None]] = -1.0
        places = chances.topk(self.num_tokens, dim=1).indices.sort(dim=1).values
        tokens = torch.randint(NUM_SYMBOLS, (num, self.num_tokens), generator=generator)
        symbols = torch.full((num, num_steps), BLANK).scatter(1, places, tokens)
        return one_hot(symbols, num_symbols=BLANK + 1), tokens[:, 0]

    def simple_solution(self, part: Sequences) -> Int[Tensor, " n"]:
        """Return the last symbol that is no blank."""
        steps = torch.arange(1, part.x.shape[1] + 1)[:, None]
        return (part.x[:, :, :BLANK] * steps).amax(dim=1).argmax(dim=1)

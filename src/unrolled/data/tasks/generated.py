"""Tasks that are drawn from a seed: any length, any number, and a floor that needs no memory."""

from abc import abstractmethod

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import functional

from unrolled.contracts import Sequences, Source, SourceData
from unrolled.errors import ConfigError
from unrolled.seeding import mix


class Generated(Source):
    """Sequences drawn from a seed, longer ones for test if wanted.

    num_train, num_val, num_test: sequences of each part, >= 1.
    min_steps, max_steps: steps in train and val, drawn uniformly, 1 <= min_steps <= max_steps.
    test_min_steps, test_max_steps: the same in test.
    seed: of the draw, >= 0.

    A subclass says `class_names`, how to `draw`, and what a `trivial` solution answers.
    """

    class_names: tuple[str, ...] = ("0", "1")
    trivial_name: str  # of the trivial solution
    shortest = 1  # step of which the task makes sense

    def __init__(
        self,
        *,
        num_train: int,
        num_val: int,
        num_test: int,
        min_steps: int,
        max_steps: int,
        test_min_steps: int,
        test_max_steps: int,
        seed: int,
    ) -> None:
        if min(num_train, num_val, num_test) < 1:
            raise ConfigError(
                f"data.source: need num_train, num_val and num_test >= 1, "
                f"got {num_train}, {num_val} and {num_test}"
            )
        for low, high, name in (
            (min_steps, max_steps, ""),
            (test_min_steps, test_max_steps, "test_"),
        ):
            if not self.shortest <= low <= high:
                raise ConfigError(
                    f"data.source: need {self.shortest} <= {name}min_steps <= {name}max_steps, "
                    f"got {low} and {high}"
                )
        self.parts = {
            "train": (num_train, min_steps, max_steps),
            "val": (num_val, min_steps, max_steps),
            "test": (num_test, test_min_steps, test_max_steps),
        }
        self.seed = seed

    def load(self) -> SourceData:
        """Return the three parts, with the test accuracy of the trivial solution."""
        drawn: dict[str, Sequences] = {}
        first_id = 0
        for number, (name, (num, low, high)) in enumerate(self.parts.items()):
            generator = torch.Generator().manual_seed(mix(self.seed, number))
            lengths = torch.randint(low, high + 1, (num,), generator=generator)
            x, y = self.draw(lengths, generator)
            x[torch.arange(x.shape[1]) >= lengths[:, None]] = 0.0
            ids = torch.arange(first_id, first_id + num)
            drawn[name] = Sequences(x=x, lengths=lengths, y=y, ids=ids)
            first_id += num
        test = drawn["test"]
        right = self.trivial(test) == test.y
        return SourceData(
            train=drawn["train"],
            val=drawn["val"],
            test=test,
            class_names=self.class_names,
            baselines={self.trivial_name: float(right.double().mean())},
        )

    @abstractmethod
    def draw(
        self, lengths: Int[Tensor, " n"], generator: torch.Generator
    ) -> tuple[Tensor, Int[Tensor, " n"]]:
        """Return features (n, t, d) and classes; what lies behind a length is drawn, too."""

    @abstractmethod
    def trivial(self, part: Sequences) -> Int[Tensor, " n"]:
        """Return what a solution without memory answers."""


def one_hot(symbols: Int[Tensor, "n t"], *, num_symbols: int) -> Tensor:
    """Return a feature per symbol, (n, t, num_symbols)."""
    return functional.one_hot(symbols, num_symbols).float()


def at_last_step(part: Sequences) -> Tensor:
    """Return the features of each sequence's last step, (n, d)."""
    return part.x[torch.arange(len(part)), part.lengths - 1]

"""Tasks that are drawn from a seed: any length, any number, and a floor that needs no memory."""

from abc import abstractmethod

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import functional

from unrolled.contracts import Sequences, Source, SourceData
from unrolled.errors import ConfigError
from unrolled.memory import require_memory
from unrolled.seeding import mix


class Generated(Source):
    """Sequences drawn from a seed; the test set may have longer ones.

    num_train, num_val, num_test: sequences of each set, >= 1.
    min_steps, max_steps: steps in the training and validation set, drawn uniformly,
        1 <= min_steps <= max_steps.
    test_min_steps, test_max_steps: the same for the test set.
    seed: seed of the draw, >= 0.

    A subclass defines `class_names`, `draw`, and `simple_solution`, whose score is the baseline.
    """

    class_names: tuple[str, ...] = ("0", "1")
    baseline_name: str  # describes the simple solution
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
        """Return the three sets, with the test accuracy of the simple solution."""
        for name, (num, _, high) in self.parts.items():
            steps = "test_max_steps" if name == "test" else "max_steps"
            require_memory(
                4 * num * high,
                what=f"the {num:,} sequences of up to {high:,} steps of the {name} set",
                remedy=f"use a smaller data.source.{steps if high > num else f'num_{name}'}",
            )
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
        right = self.simple_solution(test) == test.y
        return SourceData(
            train=drawn["train"],
            val=drawn["val"],
            test=test,
            class_names=self.class_names,
            baselines={self.baseline_name: float(right.double().mean())},
        )

    @abstractmethod
    def draw(
        self, lengths: Int[Tensor, " n"], generator: torch.Generator
    ) -> tuple[Tensor, Int[Tensor, " n"]]:
        """Return features (n, t, d), also for steps after the end of a sequence, and classes."""

    @abstractmethod
    def simple_solution(self, part: Sequences) -> Int[Tensor, " n"]:
        """Return the classes, (n,), that a solution without memory predicts."""


def one_hot(symbols: Int[Tensor, "n t"], *, num_symbols: int) -> Tensor:
    """Return a feature per symbol, (n, t, num_symbols)."""
    return functional.one_hot(symbols, num_symbols).float()


def at_last_step(part: Sequences) -> Tensor:
    """Return the features of each sequence's last step, (n, d)."""
    return part.x[torch.arange(len(part)), part.lengths - 1]

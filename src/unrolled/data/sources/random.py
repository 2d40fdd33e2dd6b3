"""Random sequences with random labels: no model can do better than chance on new ones."""

import torch

from unrolled.contracts import Sequences, Source, SourceData
from unrolled.errors import ConfigError
from unrolled.memory import require_memory
from unrolled.seeding import mix


class Random(Source):
    """x ~ N(0, 1) and y uniform over the classes, independent of x.

    num_train, num_val, num_test: sequences of each set, >= 1.
    num_steps: steps (t), >= 1.
    num_features: features per step (d), >= 1.
    num_classes: classes (c), >= 2.
    seed: of the draws, >= 0.
    redraw: whether each epoch trains on new sequences, a function of (seed, epoch), as the classic
        tutorial does. Validation and test set stay the same.
    """

    def __init__(
        self,
        *,
        num_train: int,
        num_val: int,
        num_test: int,
        num_steps: int,
        num_features: int,
        num_classes: int,
        seed: int,
        redraw: bool,
    ) -> None:
        counts = (num_train, num_val, num_test, num_steps, num_features)
        if min(counts) < 1 or num_classes < 2:
            raise ConfigError(
                "data.source: need num_train, num_val, num_test, num_steps, num_features >= 1 and "
                f"num_classes >= 2, got {counts} and {num_classes}"
            )
        self.sizes = (num_train, num_val, num_test)
        self.shape = (num_steps, num_features)
        self.num_classes = num_classes
        self.seed = seed
        self.redraw = redraw

    def load(self) -> SourceData:
        """Return the three sets."""
        num, (num_steps, num_features) = sum(self.sizes), self.shape
        names = ("num_train", "num_val", "num_test", "num_steps", "num_features")
        _, largest = max(zip((*self.sizes, *self.shape), names, strict=True))
        require_memory(
            2 * 4 * num * num_steps * num_features,  # drawn, then divided
            what=f"{num:,} sequences of {num_steps:,} steps x {num_features:,} features",
            remedy=f"use a smaller data.source.{largest}",
        )
        generator = torch.Generator().manual_seed(mix(self.seed))
        drawn = self._draw(sum(self.sizes), generator)
        train, val, test = (
            drawn.take(rows) for rows in torch.split(torch.arange(len(drawn)), list(self.sizes))
        )
        class_names = [str(number) for number in range(self.num_classes)]
        redraw = self._training_set if self.redraw else None
        return SourceData(train=train, val=val, test=test, class_names=class_names, redraw=redraw)

    def _training_set(self, epoch: int) -> Sequences:
        """Return the training set of an epoch >= 1; epoch 0 uses the one that `load` returns."""
        return self._draw(self.sizes[0], torch.Generator().manual_seed(mix(self.seed, epoch)))

    def _draw(self, num: int, generator: torch.Generator) -> Sequences:
        x = torch.randn(num, *self.shape, generator=generator)
        y = torch.randint(self.num_classes, (num,), generator=generator)
        return Sequences.of_equal_length(x, y, first_id=0)

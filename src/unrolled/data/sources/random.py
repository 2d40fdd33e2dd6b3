"""Random sequences with random labels: nothing can be learnt, which is what makes it a check."""

import torch

from unrolled.contracts import Sequences, Source, SourceData
from unrolled.errors import ConfigError
from unrolled.seeding import mix


class Random(Source):
    """x ~ N(0, 1) and y uniform over the classes, independent of x.

    num_train, num_val, num_test: sequences of each part, >= 1.
    num_steps: steps (t), >= 1.
    num_features: features per step (d), >= 1.
    num_classes: classes (c), >= 2.
    seed: of the draw, >= 0.
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

    def load(self) -> SourceData:
        """Return the three parts."""
        generator = torch.Generator().manual_seed(mix(self.seed))
        num = sum(self.sizes)
        drawn = Sequences.of_equal_length(
            torch.randn(num, *self.shape, generator=generator),
            torch.randint(self.num_classes, (num,), generator=generator),
            first_id=0,
        )
        train, val, test = (
            drawn.take(rows) for rows in torch.split(torch.arange(num), list(self.sizes))
        )
        names = [str(number) for number in range(self.num_classes)]
        return SourceData(train=train, val=val, test=test, class_names=names)

"""CPU time of `RecurrentClassifier.fit` beyond its training steps, imports not counted.

    OMP_NUM_THREADS=1 python benchmarks/estimator_cost.py [repeats=7]

Fits 60 sequences of 20 steps with 1 and with 41 optimizer steps in turn. The slope between the two
is the cost of a step, and the cost beyond the steps is what a fit with one step takes without it.
Printed for settings that this process has used before, and for new ones, which Hydra composes.
"""

import statistics
import sys
from time import process_time

import numpy as np
import torch

from unrolled import RecurrentClassifier

MANY = 41


def main(repeats: int) -> None:
    """Print the medians in milliseconds."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 20, 2)), np.arange(60) % 3

    def seconds(num_steps: int, *overrides: str) -> float:
        words = (f"trainer.max_steps={num_steps}", *overrides)
        started_at = process_time()
        RecurrentClassifier(random_state=0, overrides=words).fit(x, y)
        return process_time() - started_at

    for num_steps in (1, MANY):  # imports
        seconds(num_steps)
    one, many, new = [], [], []
    for number in range(repeats):
        one.append(seconds(1))
        many.append(seconds(MANY))
        new.append(seconds(1, f"optimizer.lr={1e-3 + number * 1e-6}"))
    step = (statistics.median(many) - statistics.median(one)) / (MANY - 1)
    print(f"a step: {1e3 * step:.1f} ms")
    for name, values in (("settings used before", one), ("new settings", new)):
        print(f"beyond the steps, {name}: {1e3 * (statistics.median(values) - step):.0f} ms")


if __name__ == "__main__":
    main(int(dict(word.split("=") for word in sys.argv[1:]).get("repeats", 7)))

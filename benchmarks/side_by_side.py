"""What running jobs side by side saves: the same sweep, one job at once against as many as cores.

    python benchmarks/side_by_side.py [pairs=5] [jobs=20] [overrides of `unrolled train`]

Whole commands take turns, from typing to the table, by the clock: start-up and table included.
"""

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

OVERRIDES = [
    "trainer.max_epochs=2",
    "num_threads=1",
    "~callbacks.early_stopping",
]


def seconds_of(words: list[str], *, jobs: int, at_once: int | None) -> float:
    """Return how long the sweep of `jobs` seeds takes, `at_once` of them at a time.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-m", "unrolled", "train", "-m", *OVERRIDES, *words),
            f"seed=range({jobs})",
            f"hydra.sweep.dir={Path(folder) / 'sweep'}",
            f"hydra.launcher.jobs_at_once={'null' if at_once is None else at_once}",
        ]
        started_at = perf_counter()
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own words
        return perf_counter() - started_at


def main() -> None:
    """Print the medians and their ratio."""
    given = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
    pairs, jobs = int(given.pop("pairs", 5)), int(given.pop("jobs", 20))
    words = [f"{key}={value}" for key, value in given.items()]
    times = []
    for _ in range(pairs):
        alone = seconds_of(words, jobs=jobs, at_once=1)
        together = seconds_of(words, jobs=jobs, at_once=None)
        times.append((alone, together))
        print(f"{alone:.1f} s one after the other, {together:.1f} s side by side", flush=True)
    ratios = sorted(together / alone for alone, together in times)
    print(f"one after the other {statistics.median(a for a, _ in times):.1f} s (median)")
    print(f"ratio: median {statistics.median(ratios):.3f}, {ratios[0]:.3f} to {ratios[-1]:.3f}")


if __name__ == "__main__":
    main()

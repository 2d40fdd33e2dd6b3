"""What running jobs side by side saves: the same sweep, one job at once against as many as cores.

    python benchmarks/side_by_side.py [pairs=5] [jobs=20] [overrides of `unrolled train`]

Whole commands take turns, by the clock. Two times are taken of each: of its jobs, from when the
first is started to when the last has ended, and of the whole command, from typing to the table.
"""

import re
import statistics
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from time import perf_counter

OVERRIDES = [
    "trainer.max_epochs=2",
    "num_threads=1",
    "~callbacks.early_stopping",
]


LOGGED_AT = re.compile(r"^\[([\d-]+ [\d:,]+)\]\[HYDRA\]", re.MULTILINE)


def seconds_of(words: list[str], *, jobs: int, at_once: int | None) -> tuple[float, float]:
    """Return how long the jobs and the whole command take: `jobs` seeds, `at_once` at a time.

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
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own words
        whole = perf_counter() - started_at
    logged = [datetime.fromisoformat(time) for time in LOGGED_AT.findall(done.stdout)]
    return (logged[-1] - logged[0]).total_seconds(), whole


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
        print(
            f"jobs {alone[0]:.1f} s one after the other, {together[0]:.1f} s side by side; "
            f"commands {alone[1]:.1f} s, {together[1]:.1f} s",
            flush=True,
        )
    for what, number in (("jobs", 0), ("commands", 1)):
        ratios = sorted(together[number] / alone[number] for alone, together in times)
        shown = f"{statistics.median(ratios):.3f} (median), {ratios[0]:.3f} to {ratios[-1]:.3f}"
        print(f"{what}: side by side takes {shown} of the time")


if __name__ == "__main__":
    main()

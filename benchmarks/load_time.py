"""CPU time of `unrolled.load` in a new process, compared with `import torch`.

OMP_NUM_THREADS=1 python benchmarks/load_time.py run=DIR pairs=11

The two are started in turn. The table gives the median of each, and of the ratio of neighbours.
"""

import os
import statistics
import subprocess
import sys

ARGUMENTS = dict(word.split("=", 1) for word in sys.argv[1:])
LOAD = "import unrolled; unrolled.load('{}')"


def cpu_seconds(code: str) -> float:
    """Return user and system time of a process that runs the code."""
    before = os.times()
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603 - our own code
    after = os.times()
    return (
        after.children_user - before.children_user + after.children_system - before.children_system
    )


def main() -> None:
    """Measure pairs and print the table."""
    load = LOAD.format(ARGUMENTS["run"])
    pairs = [
        (cpu_seconds("import torch"), cpu_seconds(load))
        for _ in range(int(ARGUMENTS.get("pairs", "11")))
    ]
    ratios = sorted(second / first for first, second in pairs)
    print(f"import torch   {statistics.median(first for first, _ in pairs):.2f} s")
    print(f"unrolled.load  {statistics.median(second for _, second in pairs):.2f} s")
    print(f"ratio          {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()

"""Seconds until a command with a mistake ends, in a new process, with its exit code.

OMP_NUM_THREADS=1 python benchmarks/refusals.py num=5

Each command is started `num` times. The table gives the median of the wall-clock time and of the
CPU time. `limit` is what the acceptance criteria promise; on an overloaded machine, compare it with
the CPU time. The exit code of this script is 1 if a command ends with another exit code.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple


class Case(NamedTuple):
    """A mistake, what is typed, the expected exit code and the limit in seconds."""

    mistake: str
    words: tuple[str, ...]
    exit_code: int
    limit: int


CASES = (
    Case("A9: output below a file", ("train", "hydra.run.dir=file/run"), 6, 5),
    Case("A18: a file of your own is missing", ("train", "data=files", "data.path=no.csv"), 3, 5),
    Case("A18: a wrong checksum", ("train", "data=mnist", "data.dir=mnist"), 3, 5),
    Case("A20: a mistyped option", ("train", "model=lsmt"), 2, 2),
    Case("A20: a mistyped key", ("train", "model.hiden_size=3"), 2, 2),
    Case("A21: a number out of range", ("train", "seed=-1"), 2, 2),
    Case("A22: no GPU", ("train", "trainer=gpu"), 2, 3),
)


def run(words: tuple[str, ...], folder: Path) -> tuple[int, float, float]:
    """Return the exit code, the wall-clock time and the CPU time of a command."""
    before, started_at = os.times(), time.monotonic()
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-m", "unrolled", *words], cwd=folder, capture_output=True, check=False
    )
    wall, after = time.monotonic() - started_at, os.times()
    used = after.children_user - before.children_user
    return done.returncode, wall, used + after.children_system - before.children_system


def main() -> None:
    """Measure each case and print the table."""
    arguments = dict(word.split("=", 1) for word in sys.argv[1:])
    wrong = False
    print(f"{'mistake':38} exit code   limit   wall-clock      CPU")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "file").touch()
        (folder / "mnist" / "mnist").mkdir(parents=True)
        for stem in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3"):
            (folder / "mnist" / "mnist" / f"{stem}-ubyte.gz").write_bytes(b"damaged")
        (folder / "mnist" / "mnist" / "t10k-labels-idx1-ubyte.gz").write_bytes(b"damaged")
        for case in CASES:
            times = [run(case.words, folder) for _ in range(int(arguments.get("num", "5")))]
            codes = {code for code, _, _ in times}
            wrong |= codes != {case.exit_code}
            wall, cpu = (statistics.median(one[place] for one in times) for place in (1, 2))
            shown = ", ".join(map(str, sorted(codes)))
            print(f"{case.mistake:38} {shown:>9} {case.limit:>5} s {wall:>10.2f} s {cpu:>6.2f} s")
    sys.exit(wrong)


if __name__ == "__main__":
    main()

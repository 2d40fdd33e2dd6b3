"""CPU time and peak memory of reading your own files, compared with pandas and numpy.

    OMP_NUM_THREADS=1 python benchmarks/reading.py [sequences=300000] [pairs=5]

Writes random sequences of 16 steps of one feature in each format. Reading is `Files.load` and the
whole preparation: checks, hashing, splits and standardization. It is compared with
`pandas.read_csv`, `pandas.read_parquet` and `numpy.load`, which check nothing. The two alternate in
this process, and the table gives medians of CPU time on one thread. Long form has the id of the
sequence and the step in each row, so it is compared with wide form by the size of the file.

Peak memory is measured in a new process for each file: the peak of resident memory (VmHWM, Linux
only) over what the process needs without the file, as a multiple of the prepared tensors.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import process_time

import numpy as np
import pandas as pd
import torch

from unrolled.building.data import build_data
from unrolled.config.composition import compose_config
from unrolled.data.module import SequenceDataModule

NUM_STEPS = 16
COLUMNS = {"long.csv": ["data.id=id", "data.time=step"]}
WITHOUT_CHANNELS = [  # which would make five features of one
    f"data.{name}=false" for name in ("per_sequence", "differences", "level_and_scale")
]
READERS: dict[str, Callable[[Path], object]] = {
    "wide.csv": pd.read_csv,
    "wide.parquet": pd.read_parquet,
    "x.npz": lambda path: dict(np.load(path)),
}


def write(folder: Path, num_sequences: int) -> None:
    """Write the same sequences in each format."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(num_sequences, NUM_STEPS)).round(4)
    y = rng.integers(2, size=num_sequences)
    wide = pd.DataFrame(x, columns=[f"x_{step}" for step in range(NUM_STEPS)]).assign(label=y)
    wide.to_csv(folder / "wide.csv", index=False)
    wide.to_parquet(folder / "wide.parquet")
    np.savez(folder / "x.npz", x=x, y=y)
    long = {
        "id": np.arange(num_sequences).repeat(NUM_STEPS),
        "step": np.tile(np.arange(NUM_STEPS), num_sequences),
        "x": x.ravel(),
        "label": y.repeat(NUM_STEPS),
    }
    pd.DataFrame(long).to_csv(folder / "long.csv", index=False)


def data_module(path: Path) -> SequenceDataModule:
    """Return the data module of a file; nothing is read yet."""
    labels = [] if path.suffix == ".npz" else ["data.label=label"]
    columns = [*labels, *COLUMNS.get(path.name, [])]
    overrides = ["data=files", f"data.path={path}", *columns, *WITHOUT_CHANNELS]
    return build_data(compose_config(overrides))


def seconds(read: Callable[[], object]) -> float:
    """Return the CPU time of reading a file."""
    started_at = process_time()
    read()
    return process_time() - started_at


def seconds_of_ours(path: Path) -> float:
    """Return the CPU time until the sequences of a file are ready for training."""
    return seconds(data_module(path).setup)


def resident(field: str) -> int:
    """Return a figure of this process's resident memory in bytes: VmRSS now, or the peak VmHWM."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024


def measure_memory(path: Path) -> dict[str, int]:
    """Return the bytes of the prepared tensors, and the peak of memory above the start."""
    with tempfile.TemporaryDirectory() as folder:  # imports and caches
        write(Path(folder), 1000)
        data_module(Path(folder) / path.name).setup()
    data = data_module(path)
    before = resident("VmRSS")
    data.setup()
    parts = data.parts
    tensors = sum(part.num_bytes for part in (parts.train, parts.val, parts.test) if part)
    return {"tensors": tensors, "peak": resident("VmHWM") - before}


def memory(path: Path) -> dict[str, int]:
    """Return what `measure_memory` returns in a new process."""
    command = [sys.executable, __file__, f"memory={path}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    measured: dict[str, int] = json.loads(done.stdout)
    return measured


def main(settings: dict[str, str]) -> None:
    """Measure and print the two tables."""
    num_sequences, pairs = int(settings.get("sequences", 300_000)), int(settings.get("pairs", 5))
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, num_sequences)
        print(f"{num_sequences:,} sequences of {NUM_STEPS} steps; medians of {pairs} pairs")
        print("file           size    unrolled  reader    ratio (smallest to largest)")
        for file, reader in READERS.items():
            path = folder / file
            both = [
                (seconds_of_ours(path), seconds(partial(reader, path))) for _ in range(1 + pairs)
            ]
            print_row(path, both[1:])  # the first pair imports
        long, wide = folder / "long.csv", folder / "wide.csv"
        bytes_ratio = long.stat().st_size / wide.stat().st_size
        both = [(seconds_of_ours(long), seconds_of_ours(wide) * bytes_ratio) for _ in range(pairs)]
        print_row(long, both)
        print("(long.csv: compared with wide.csv, scaled to the same number of bytes)\n")
        print("file           tensors  peak memory  ratio")
        for file in (*READERS, "long.csv"):
            found = memory(folder / file)
            tensors, peak = found["tensors"] / 1e6, found["peak"] / 1e6
            print(f"{file:13s} {tensors:5.0f} MB {peak:9.0f} MB  {peak / tensors:5.1f}")


def print_row(path: Path, times: list[tuple[float, float]]) -> None:
    """Print the medians of CPU times of one file, and of the ratio of each pair."""
    ours, theirs = (statistics.median(column) for column in zip(*times, strict=True))
    ratios = sorted(first / second for first, second in times)
    print(
        f"{path.name:13s} {path.stat().st_size / 1e6:3.0f} MB {ours:8.2f} s {theirs:8.3f} s "
        f"{statistics.median(ratios):6.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})",
        flush=True,
    )


if __name__ == "__main__":
    ARGUMENTS = dict(word.split("=", 1) for word in sys.argv[1:])
    if "memory" in ARGUMENTS:
        print(json.dumps(measure_memory(Path(ARGUMENTS["memory"]))))
    else:
        main(ARGUMENTS)

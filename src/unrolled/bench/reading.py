"""Reading your own files, next to pandas and numpy, which check nothing.

Reading is `Files.load` and the whole preparation: checks, hashing, splits and standardization. Long
form has the id of the sequence and the step in each row, so it is compared with wide form, scaled
to the same number of bytes.

Peak memory is measured in a new process for each file, on Linux only: the peak of resident memory
over what the process needs without the file, compared with the size of the prepared tensors.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from unrolled.bench.pairs import Row, in_turn
from unrolled.bench.sequence_files import config_for, prepare, write_files
from unrolled.bench.settings import Settings

READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "wide.csv": ("pandas.read_csv", pd.read_csv),
    "wide.parquet": ("pandas.read_parquet", pd.read_parquet),
    "x.npz": ("numpy.load", lambda path: dict(np.load(path))),
}


def reading(settings: Settings) -> Iterator[Row]:
    """Yield a row per format, and a row for the memory of each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder, settings.num_sequences)
        paths = [path for file in READERS if (path := folder / file).exists()]
        for path in paths:
            reference, read = READERS[path.name]
            values = in_turn(
                partial(prepare, config_for(path)),
                partial(read, path),
                pairs=settings.pairs,
            )
            yield _row(path.name, reference, "CPU s", *values, settings)
        long, wide = folder / "long.csv", folder / "wide.csv"
        scale = long.stat().st_size / wide.stat().st_size
        of_long, of_wide = in_turn(
            partial(prepare, config_for(long)),
            partial(prepare, config_for(wide)),
            pairs=settings.pairs,
        )
        scaled = tuple(scale * value for value in of_wide)
        yield _row("long.csv", "wide.csv of its size", "CPU s", of_long, scaled, settings)
        if sys.platform != "linux":
            return
        for path in [*paths, long]:
            found = _memory(path)
            peak, tensors = (found["peak"],), (found["tensors"],)
            yield _row(f"{path.name}, memory", "prepared tensors", "bytes", peak, tensors, settings)


def _row(
    name: str,
    reference: str,
    unit: str,
    values: tuple[float, ...],
    reference_values: tuple[float, ...],
    settings: Settings,
) -> Row:
    num = settings.num_sequences if unit == "CPU s" else None
    return Row("reading", name, reference, unit, values, reference_values, num_sequences=num)


def _memory(path: Path) -> dict[str, float]:
    """Return the peak memory of reading a file in a new process, and the size of its tensors."""
    command = [sys.executable, "-m", "unrolled.bench.reading_memory", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured

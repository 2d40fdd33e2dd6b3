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
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from unrolled.bench.pairs import Case, Row, row
from unrolled.bench.sequence_files import config_for, prepare, write_files
from unrolled.bench.settings import Settings

READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "wide.csv": ("pandas.read_csv", pd.read_csv),
    "wide.parquet": ("pandas.read_parquet", pd.read_parquet),
    "x.npz": ("numpy.load", lambda path: dict(np.load(path))),
}


def reading(settings: Settings, folder: Path) -> Iterator[Case | Row]:
    """Yield a case per format, and a row for the memory of each."""
    num_sequences = settings.num_sequences
    write_files(folder, num_sequences)
    paths = [path for file in READERS if (path := folder / file).exists()]
    for path in paths:
        reference, read = READERS[path.name]
        yield Case(
            row("reading", path.name, reference, num_sequences=num_sequences),
            partial(prepare, config_for(path)),
            partial(read, path),
        )
    long, wide = folder / "long.csv", folder / "wide.csv"
    yield Case(
        row("reading", "long.csv", "wide.csv of its size", num_sequences=num_sequences),
        partial(prepare, config_for(long)),
        partial(prepare, config_for(wide)),
        scales=(1.0, long.stat().st_size / wide.stat().st_size),
    )
    for path in [*paths, long] if sys.platform == "linux" else []:
        found = _memory(path)
        if found["peak"] > 0:  # a small file fits into memory that the imports have left
            unmeasured = row("reading", f"{path.name}, memory", "prepared tensors", unit="bytes")
            peak, tensors = (found["peak"],), (found["tensors"],)
            yield replace(unmeasured, values=peak, reference_values=tensors)


def _memory(path: Path) -> dict[str, float]:
    """Return the peak memory of reading a file in a new process, and the size of its tensors."""
    command = [sys.executable, "-m", "unrolled.bench.reading_memory", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured

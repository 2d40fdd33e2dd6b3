"""A process of its own, which reads one file and prints how much memory that needs.

python -m unrolled.bench.reading_memory FILE
"""

import json
import sys
import tempfile
from pathlib import Path

from unrolled.bench.sequence_files import config_for, prepare, write_files
from unrolled.output import echo


def resident(field: str) -> int:
    """Return a figure of this process's resident memory in bytes: VmRSS now, or the peak VmHWM."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024


def measure(path: Path) -> dict[str, int]:
    """Return the bytes of the prepared tensors, and the peak of memory above the start."""
    with tempfile.TemporaryDirectory() as folder:  # imports and caches
        write_files(Path(folder), 1000)
        prepare(config_for(Path(folder) / path.name))
    config = config_for(path)
    before = resident("VmRSS")
    parts = prepare(config).parts
    tensors = sum(part.num_bytes for part in (parts.train, parts.val, parts.test) if part)
    return {"tensors": tensors, "peak": max(resident("VmHWM") - before, 0)}


if __name__ == "__main__":
    echo(json.dumps(measure(Path(sys.argv[1]))))

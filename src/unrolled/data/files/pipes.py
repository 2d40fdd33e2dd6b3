"""Copies the content of a pipe to a file, because files are read more than once."""

import shutil
import tempfile
from functools import cache
from pathlib import Path

from unrolled.errors import DataError


@cache
def _spool() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="unrolled-")


@cache
def regular(path: Path) -> Path:
    """Return the path of a file that can be read twice; the content of a pipe is copied to one.

    Raises:
        DataError: the path is the terminal.
    """
    if path.is_dir() or path.is_file() or not path.exists():
        return path
    if path.is_char_device():
        raise DataError(f"{path} is a terminal or another device; type the path of a file")
    copy = Path(tempfile.mkdtemp(dir=_spool().name)) / path.name
    with path.open("rb") as source, copy.open("wb") as target:
        shutil.copyfileobj(source, target)
    return copy

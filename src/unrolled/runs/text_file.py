"""Reads the text files of a run folder, which may be damaged or come from somebody else."""

from pathlib import Path
from typing import Any

import yaml

from unrolled.errors import CheckpointError

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
LARGEST = 64 * 2**20  # bytes
DEEPEST = 50  # nodes within each other; configs have less than ten


def read_text(path: Path) -> str | None:
    """Return the text of a file, or None if there is no such file.

    Raises:
        CheckpointError: it is not an ordinary file of text, or cannot be read.
    """
    if not path.exists():
        return None
    if not path.is_file():
        raise CheckpointError(f"{path} is not a file")
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise CheckpointError(f"{path} is damaged: it has {size:,} bytes")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error


def parse_yaml(text: str, path: Path) -> dict[str, Any]:
    """Return the values in the text of a YAML file.

    Aliases, with which a few lines can stand for billions of values, are refused.

    path: for messages.

    Raises:
        CheckpointError: the file is damaged.
    """
    try:
        values = yaml.load(text, Loader=LOADER)  # noqa: S506 - a safe loader
        _require_plain(values, depth=0, seen=set())
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CheckpointError(f"{path} is damaged: {reason[:300]}") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} is damaged: it has no keys")
    return values


def _require_plain(value: Any, *, depth: int, seen: set[int]) -> None:
    """Refuse a value within more than DEEPEST others, one that occurs twice, and dates and bytes.

    Raises:
        ValueError: there is one.
    """
    if value is None or isinstance(value, str | int | float):
        return
    if not isinstance(value, dict | list):
        raise ValueError(f"it has a value of the type {type(value).__name__}")  # noqa: TRY004
    if depth > DEEPEST or id(value) in seen:
        raise ValueError("it has aliases, or too many values within each other")
    seen.add(id(value))
    for item in value.values() if isinstance(value, dict) else value:
        _require_plain(item, depth=depth + 1, seen=seen)

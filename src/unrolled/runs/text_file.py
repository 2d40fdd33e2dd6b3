"""Reads the text files of a run folder, which may be damaged or come from somebody else."""

from pathlib import Path
from typing import Any

from unrolled.config.plain_yaml import parse_plain
from unrolled.errors import CheckpointError

LARGEST = 64 * 2**20  # bytes


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

    path: for messages.

    Raises:
        CheckpointError: the file is damaged.
    """
    try:
        values = parse_plain(text)
        _require_plain(values)
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} is damaged: it has no keys")
    return values


def _require_plain(value: Any) -> None:
    """Refuse dates and bytes, which a config does not have.

    Raises:
        ValueError: there is one.
    """
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _require_plain(item)
    elif value is not None and not isinstance(value, str | int | float):
        raise ValueError(f"it has a value of the type {type(value).__name__}")

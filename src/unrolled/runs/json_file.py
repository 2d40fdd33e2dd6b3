"""JSON files of a run folder, written durably."""

import json
import math
from pathlib import Path
from typing import Any

from unrolled.errors import CheckpointError
from unrolled.masking import mask
from unrolled.runs.durable import write_text
from unrolled.runs.text_file import read_text


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write plain values. Secrets in texts are masked.

    NaN and infinities, which JSON does not have, become null.

    Raises:
        StorageError: the disk is full, or the folder cannot be written.
    """
    text = json.dumps(_plain(values), indent=2, allow_nan=False) + "\n"
    write_text(path, text, durable=True)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the plain values in a file, or None if there is no such file.

    Raises:
        CheckpointError: the file is damaged.
    """
    text = read_text(path)
    if text is None:
        return None
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} is damaged: it has no keys")
    return values


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

"""Checks that files exist. Imports no torch and no pandas, so that a wrong path fails at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unrolled.errors import DataError, did_you_mean

PATHS = ("path", "val_path", "test_path")  # keys of the data config


def require_data_paths(data: Mapping[str, Any]) -> None:
    """Check the files that the data config names, for example data.path.

    Raises:
        DataError: one of them does not exist.
    """
    for key in PATHS:
        if key in data and data[key] is not None:
            require_path(f"data.{key}", str(data[key]))


def require_path(key: str, value: str) -> Path:
    """Return the absolute path of a file or folder that the user typed as key=value.

    Raises:
        DataError: there is no such file. The message suggests a similar name in the same folder.
    """
    path = Path(value).expanduser().absolute()
    if path.exists():
        return path
    siblings = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
    raise DataError(
        f"{key}={value}: there is no such file or folder ({path})"
        f"{did_you_mean(path.name, siblings)}"
    )


def require_file(path: Path) -> None:
    """Check that a path is a file.

    Raises:
        DataError: it is not.
    """
    if not path.is_file():
        raise DataError(f"{path.absolute()}: there is no such file")

"""Checks that files exist. Imports no torch and no pandas, so that a wrong path fails at once."""

import unicodedata
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from unrolled.errors import DataError, did_you_mean

PATHS = ("path", "val_path", "test_path")  # keys of the data config


def require_data_paths(data: Mapping[str, Any]) -> None:
    """Check the files that the data config names, for example data.path.

    Raises:
        DataError: one of them does not exist, or is a pipe.
    """
    for key in PATHS:
        if key in data and data[key] is not None:
            path = require_path(f"data.{key}", str(data[key]))
            if not path.is_file() and not path.is_dir():
                raise DataError(
                    f"data.{key}={data[key]} is a pipe, which can be read only once; save it as a "
                    f"file, because a run reads its data again when it is resumed or evaluated"
                )


def folder_of_data(data: Mapping[Any, Any], *, started_in: Path) -> Path:
    """Return the folder to which relative paths of a run's data refer.

    It is the folder in which the run was started if one of the files is there, else the current
    folder.
    """
    relative = [path for path in _paths(data).values() if not path.is_absolute()]
    return started_in if any((started_in / path).exists() for path in relative) else Path.cwd()


def make_absolute(data: MutableMapping[Any, Any], *, started_in: Path) -> None:
    """Make the paths of a run's data absolute, in the config itself; see `folder_of_data`."""
    start = folder_of_data(data, started_in=started_in)
    for key, path in _paths(data).items():
        data[key] = str(start / path)


def _paths(data: Mapping[Any, Any]) -> dict[str, Path]:
    """Return the files that the data config names, by key."""
    return {key: Path(data[key]).expanduser() for key in PATHS if data.get(key) is not None}


def require_path(key: str, value: str) -> Path:
    """Return the absolute path of a file or folder that the user typed as key=value.

    Raises:
        DataError: there is no such file. The message suggests a similar name in the same folder.
    """
    path = spelled(Path(value).expanduser().absolute())
    if path.exists():
        return path
    siblings = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
    raise DataError(
        f"{key}={value}: there is no such file or folder ({path})"
        f"{did_you_mean(path.name, siblings)}"
    )


def spelled(path: Path) -> Path:
    """Return a path as the file system spells it.

    Some systems decompose accented letters, so that a typed name has other bytes than the file.
    """
    if path.exists() or path == path.parent:
        return path
    folder = spelled(path.parent)
    files = folder.iterdir() if folder.is_dir() else ()
    name = unicodedata.normalize("NFC", path.name)
    same = (file for file in files if unicodedata.normalize("NFC", file.name) == name)
    return next(same, path)


def require_file(path: Path) -> None:
    """Check that a path is a file.

    Raises:
        DataError: it is not.
    """
    if not path.is_file():
        raise DataError(f"{path.absolute()}: there is no such file")

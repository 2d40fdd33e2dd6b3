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


def find_data_paths(data: MutableMapping[Any, Any], *, started_in: Path) -> None:
    """Make relative paths absolute if there are such files in the folder of the training command.

    data: of the run's config; changed in place.
    """
    for key in PATHS:
        path = data.get(key)
        if path is not None and (started_in / Path(path).expanduser()).exists():
            data[key] = str(started_in.absolute() / Path(path).expanduser())


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

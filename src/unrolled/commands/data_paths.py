"""Finds the data of a run again, from whatever folder a command is started."""

from pathlib import Path

from omegaconf import DictConfig

from unrolled.data.files.paths import PATHS
from unrolled.runs.run_folder import RunFolder


def folder_of_data(folder: RunFolder, data: DictConfig) -> Path:
    """Return the folder to which relative paths of a run's data refer.

    It is the folder in which the run was started if one of the files is there, else the current
    folder.
    """
    before = Path(folder.provenance().get("working_folder", "")).absolute()
    relative = [path for path in _paths(data).values() if not path.is_absolute()]
    return before if any((before / path).exists() for path in relative) else Path.cwd()


def make_absolute(data: DictConfig, folder: RunFolder) -> None:
    """Make the paths of a run's data absolute, in the config itself."""
    start = folder_of_data(folder, data)
    for key, path in _paths(data).items():
        data[key] = str(start / path)


def _paths(data: DictConfig) -> dict[str, Path]:
    """Return the files that the data config names, by key."""
    return {key: Path(data[key]).expanduser() for key in PATHS if data.get(key) is not None}

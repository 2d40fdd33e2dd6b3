"""The file of calibrate_on: sequences that were used for nothing else."""

import filecmp
from pathlib import Path

from unrolled.data.files.paths import make_absolute
from unrolled.errors import ConfigError
from unrolled.runs.run_folder import RunFolder

USED = {
    "path": "the run was trained on it",
    "val_path": "it chose the best epoch of the run",
}


def require_unused(path: Path, folder: RunFolder, *, input_path: Path) -> None:
    """Refuse a file whose sequences the run was trained with, or that is the input.

    A copy under another name is recognized if the original is still there.

    Raises:
        ConfigError: the message names the reason and the remedy.
    """
    if _is_same(path, input_path):
        raise ConfigError(
            f"calibrate_on={path} is the input, whose sets would be fitted to it; name other "
            "labelled sequences"
        )
    data = folder.config().data
    make_absolute(data, started_in=folder.started_in)
    for key, reason in USED.items():
        used = data.get(key)
        if used is not None and _is_same(path, Path(str(used))):
            raise ConfigError(
                f"calibrate_on={path} is data.{key}: {reason}, so its sequences are easier than "
                "new ones and the coverage would be too low; name labelled sequences that were "
                "used for nothing, for example those of data.test_path"
            )


def _is_same(path: Path, other: Path) -> bool:
    if not path.exists() or not other.exists():
        return False
    if path.samefile(other):
        return True
    return path.is_file() and other.is_file() and filecmp.cmp(path, other, shallow=False)

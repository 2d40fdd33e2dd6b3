"""Hashes of the files of a run, so that a damaged or exchanged file is noticed.

`manifest.json` is written when a run ends. Until then, the config and the hash of
preprocessing.json that each checkpoint file contains take its place. This protects from damage and
mistakes, not from somebody who changes the files and the hashes.
"""

import hashlib
import logging
from pathlib import Path
from typing import Any

from unrolled.config.changes import is_same_run
from unrolled.config.values import resolve
from unrolled.errors import CheckpointError
from unrolled.runs import checkpoint_file
from unrolled.runs.json_file import read_json, write_json
from unrolled.runs.run_folder import RunFolder

log = logging.getLogger(__name__)

NAME = "manifest.json"
PREPROCESSING = "preprocessing_sha256"  # key of a checkpoint
FILES = (
    "config.yaml",
    "preprocessing.json",
    "result.json",
    "metrics.csv",
    "out_of_fold.csv",
    "checkpoints/best.ckpt",
    "checkpoints/last.ckpt",
)
FOR_PREDICTION = ("config.yaml", "preprocessing.json", "checkpoints/best.ckpt")
TEMPERATURE = "result.json"  # of a calibrated run has the temperature
FOR_REPORTS = ("config.yaml", "result.json")


def write(folder: RunFolder) -> None:
    """Write the manifest of a run that has ended.

    Raises:
        StorageError: it cannot be written.
    """
    present = [name for name in FILES if (folder.path / name).is_file()]
    hashes = {name: sha256(folder.path / name) for name in present}
    write_json(folder.path / NAME, {"sha256": hashes})


def complete(folder: RunFolder) -> None:
    """Write the manifest of a run that was killed after its result was written.

    Raises:
        CheckpointError: a file is not the one that the run wrote.
    """
    for part in (*folder.folds, *folder.members):
        complete(part)
    if not (folder.path / NAME).is_file():
        with folder.held():
            if folder.best_checkpoint.is_file():
                _compare_with_checkpoint(folder)
            write(folder)


def remove(folder: RunFolder) -> None:
    """Remove the manifest of a run that is resumed."""
    (folder.path / NAME).unlink(missing_ok=True)


def require_unchanged(folder: RunFolder, names: tuple[str, ...] = FOR_PREDICTION) -> None:
    """Check the files of a run, and of its members, that a command is going to use.

    names: of the files.

    Raises:
        CheckpointError: a file is not the one that the run wrote.
    """
    for member in folder.members:
        require_unchanged(member, names)
    values = read_json(folder.path / NAME)
    if values is None:
        if "checkpoints/best.ckpt" in names and not folder.members:
            log.info("%s has no manifest.json, because the run has not ended", folder.path)
            _compare_with_checkpoint(folder)
        return
    hashes: dict[str, Any] = values.get("sha256", {})
    if names == FOR_PREDICTION and folder.config().calibration != "none":
        names = (*names, TEMPERATURE)
    for name in names:
        path = folder.path / name
        if name in hashes and path.is_file() and sha256(path) != hashes[name]:
            raise CheckpointError(_changed(path))


def _compare_with_checkpoint(folder: RunFolder) -> None:
    checkpoint = checkpoint_file.load(folder.best_checkpoint)
    state = checkpoint.get("unrolled")
    if state is not None and not is_same_run(state["identity"], resolve(folder.config())):
        raise CheckpointError(_changed(folder.path / "config.yaml"))
    recorded = checkpoint.get(PREPROCESSING)
    path = folder.path / "preprocessing.json"
    if recorded is not None and path.is_file() and sha256(path) != recorded:
        raise CheckpointError(_changed(path))


def _changed(path: Path) -> str:
    return (
        f"{path} is not the file that the run wrote, or belongs to another run; restore it, or "
        "train again"
    )


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""The folder of a run as a place that one process at a time works in."""

import os
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from unrolled.config.classes import allow_words
from unrolled.errors import CheckpointError, StorageError
from unrolled.runs.json_file import read_json
from unrolled.runs.lock import locked

# What a run writes. Other files in the folder belong to the user and stay where they are.
OF_A_RUN = re.compile(
    r"checkpoints|preprocessing\.json|result\.json|evaluation\.json|manifest\.json|metrics\.csv|"
    r"hparams\.yaml|out_of_fold\.csv|provenance\.json|events\.out\..*|(member|fold)-\d+"
)


class LockedFolder:
    """A folder for one run. A new run starts in it if no earlier one has left a checkpoint.

    path: the folder, which need not exist yet.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).absolute()

    @property
    def resume_command(self) -> str:
        """Command that resumes the run."""
        return f"unrolled resume {shlex.join([f'run={self.path}', *allow_words()])}"

    @property
    def has_progress(self) -> bool:
        """Whether a run has left a checkpoint or the result of a finished training.

        If not, it was refused, failed or was killed before its first checkpoint. A folder
        `checkpoints` that this package did not write counts as progress.
        """
        checkpoints = self.path / "checkpoints"
        if not checkpoints.exists():
            return False
        if not checkpoints.is_dir() or any(not _is_temporary(p) for p in checkpoints.iterdir()):
            return True
        parts = [part for part in self.path.glob("*-*") if OF_A_RUN.fullmatch(part.name)]
        return self._is_done() or any(LockedFolder(part).has_progress for part in parts)

    def _is_done(self) -> bool:
        try:
            result = read_json(self.path / "result.json")
        except CheckpointError:  # damaged: nobody knows what it was
            return True
        return result is not None and result.get("state") == "done"

    def require_free(self) -> None:
        """Check that a new run can use the folder; nothing is written.

        Raises:
            CheckpointError: it has a run that has left a checkpoint or a result.
            StorageError: it cannot be written.
        """
        if self.has_progress:
            raise CheckpointError(
                f"{self.path} already has a run; resume it with `{self.resume_command}`, "
                "or choose another folder with hydra.run.dir=DIR"
            )
        nearest = next(path for path in (self.path, *self.path.parents) if path.exists())
        if not nearest.is_dir() or not os.access(nearest, os.W_OK):
            reason = "is a file" if not nearest.is_dir() else "cannot be written"
            raise StorageError(f"{self.path} cannot be created: {nearest} {reason}")

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Create the folder for a new run, and lock it.

        What a run without a checkpoint has left is moved to a hidden subfolder.

        Raises:
            CheckpointError: it has a run, or another process has just started one in it.
            StorageError: it cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{self.path} cannot be written: {error.strerror}") from error
        with locked(self.path):
            self.require_free()
            if (self.path / "checkpoints").exists():
                self._move_aside(OF_A_RUN.fullmatch)
            (self.path / "checkpoints").mkdir()
            yield

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lock the folder of an existing run.

        Raises:
            CheckpointError: another process holds the lock.
        """
        with locked(self.path):
            yield

    def make_free(self) -> None:
        """Prepare the folder of a run without last.ckpt for a new run of the same config."""
        if (self.path / "checkpoints").is_dir():
            with locked(self.path):
                for name in ("result.json", "checkpoints/best.ckpt", "provenance.json"):
                    (self.path / name).unlink(missing_ok=True)
                (self.path / "checkpoints").rmdir()

    def set_aside(self) -> None:
        """Move the files of the run to a hidden subfolder, so that a new run can use the folder."""
        logs = {"train.log", "output.log"}  # are open
        with locked(self.path):
            self._move_aside(lambda name: not name.startswith(".") and name not in logs)

    def _move_aside(self, is_moved: Callable[[str], object]) -> None:
        aside = self.path / f".replaced-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        aside.mkdir()
        for path in list(self.path.iterdir()):
            if is_moved(path.name) and path.name != "config.yaml":
                path.rename(aside / path.name)
        config = self.path / "config.yaml"
        if config.exists():  # last, because it marks the folder as a run
            config.rename(aside / config.name)


def _is_temporary(path: Path) -> bool:
    """Return whether a process that was killed has left the file while it wrote another."""
    return path.name.startswith(".") or path.name.endswith(".tmp")

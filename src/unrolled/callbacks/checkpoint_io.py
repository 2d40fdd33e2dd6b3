"""Lightning's interface to `runs.checkpoint_file`, which writes and reads checkpoints."""

from pathlib import Path
from typing import Any

from lightning.fabric.plugins import CheckpointIO

from unrolled.runs import checkpoint_file, manifest


class DurableCheckpointIO(CheckpointIO):
    """Writes durably with a checksum, refuses damaged files, and never unpickles code.

    Lightning's own class would also ignore that a folder cannot be written.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write the checkpoint, with the hash of the run's preprocessing.json."""
        preprocessing = Path(path).parents[1] / "preprocessing.json"
        if preprocessing.is_file():
            checkpoint = {**checkpoint, manifest.PREPROCESSING: manifest.sha256(preprocessing)}
        checkpoint_file.save(Path(path), checkpoint)

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Any | None = None,
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """Return the checkpoint, on the CPU. weights_only is always true."""
        return checkpoint_file.load(Path(path))

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove the file."""
        Path(path).unlink(missing_ok=True)

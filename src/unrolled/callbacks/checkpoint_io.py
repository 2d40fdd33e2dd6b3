"""How Lightning writes and reads checkpoints here; its own way hides a folder it may not write."""

from pathlib import Path
from typing import Any

from lightning.fabric.plugins import CheckpointIO

from unrolled.runs import checkpoint_file


class DurableCheckpointIO(CheckpointIO):
    """Writes durably with a checksum, reads what is whole, and never runs what a file says."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write the checkpoint."""
        checkpoint_file.save(Path(path), checkpoint)

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Any | None = None,
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """Return the checkpoint, on the CPU; weights_only is always true."""
        return checkpoint_file.load(Path(path))

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove the file."""
        Path(path).unlink(missing_ok=True)

"""TensorBoard's event files in the run folder."""

from collections.abc import Mapping

from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only


class TensorBoard(TensorBoardLogger):
    """Lightning's logger without the chart of the epoch by step, which TensorBoard shows first."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log the scores of a step."""
        kept = {name: value for name, value in metrics.items() if name != "epoch"}
        super().log_metrics(kept, step)

"""Charts and images for TensorBoard."""

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from matplotlib import rc_context
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from unrolled.output import figure_text

CHARTS = {
    name: {name: ["Multiline", [f"train/{name}", f"val/{name}"]]} for name in ("loss", "accuracy")
}


class TensorBoardViews(Callback):
    """Adds charts of loss and accuracy (Custom Scalars) and confusion matrices (Images)."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the layout of the charts."""
        for writer in _writers(trainer):
            writer.add_custom_scalars(CHARTS)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the confusion matrix of the last validation."""
        _draw(trainer, pl_module, split="val")

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the confusion matrix of the test set."""
        _draw(trainer, pl_module, split="test")


def _writers(trainer: Trainer) -> list[SummaryWriter]:
    return [
        logger.experiment for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)
    ]


@rc_context({"text.usetex": False})
def _draw(trainer: Trainer, pl_module: LightningModule, *, split: str) -> None:
    confusion: dict[str, Tensor] = pl_module.confusion  # type: ignore[assignment]
    writers = _writers(trainer)
    if split not in confusion or not writers:
        return
    names = [figure_text(name) for name in trainer.datamodule.class_names]  # type: ignore[attr-defined]
    figure = Figure(figsize=(2 + 0.5 * len(names), 2 + 0.5 * len(names)), layout="constrained")
    axes = figure.subplots()
    matrix = ConfusionMatrixDisplay(confusion[split].cpu().numpy(), display_labels=names)
    matrix.plot(ax=axes, cmap="Blues", colorbar=False, xticks_rotation="vertical")
    axes.set_title(f"{split}: counts")
    for writer in writers:
        writer.add_figure(f"{split}/confusion", figure, global_step=trainer.global_step)

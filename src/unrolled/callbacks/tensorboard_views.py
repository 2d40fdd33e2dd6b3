"""Charts, images, texts and curves for TensorBoard."""

import json
import logging
import textwrap
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from torch.optim import Optimizer
from torch.utils.tensorboard import SummaryWriter

from unrolled.callbacks.tensorboard_figures import (
    Mistake,
    confusion_figure,
    drawing,
    mistakes_figure,
)
from unrolled.callbacks.tensorboard_network import add_graph, add_projector
from unrolled.callbacks.throughput import Throughput
from unrolled.contracts import Batch, Sequences
from unrolled.output import inert
from unrolled.runs.run_folder import RunFolder

log = logging.getLogger(__name__)

CHARTS = {
    name: {name: ["Multiline", [f"train/{name}", f"val/{name}"]]} for name in ("loss", "accuracy")
}
MAX_CURVES = 10  # classes with a curve of precision and recall
MAX_MISTAKES = 4  # more take too long to draw


class TensorBoardViews(Callback):
    """Adds what a run logs besides its scores.

    Every `trainer.log_every_n_steps` steps, and at least once an epoch of several steps: learning
    rate, gradient norm before clipping, and training sequences per second. At the start: charts of
    loss and accuracy, the config and the provenance. At the end, for the last validation and for
    the test set: confusion matrices and curves of precision and recall. For the test set: the worst
    mistakes.

    graph: whether to add the graph of the network, which is traced with two sequences.
    projector: whether to add the vectors that the head reads, for up to 1,000 sequences.
    """

    def __init__(self, *, graph: bool, projector: bool) -> None:
        self.graph = graph
        self.projector = projector
        self._every = 1  # steps between records
        self._rate = 0.0
        self._throughput: Throughput | None = None
        self._counted = (0, 0.0)  # sequences and seconds at the last record

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the layout of the charts, and config and provenance as texts."""
        for writer, texts in ((writer, _texts(folder)) for writer, folder in _writers(trainer)):
            writer.add_custom_scalars(CHARTS)
            for name, text in texts.items():
                writer.add_text(name, textwrap.indent(inert(text), "    "), trainer.global_step)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start counting."""
        self._every = max(1, min(trainer.log_every_n_steps, int(trainer.num_training_batches)))  # type: ignore[attr-defined]
        clocks = (one for one in trainer.callbacks if isinstance(one, Throughput))  # type: ignore[attr-defined]
        self._throughput = next(clocks, None)
        if self._throughput is not None:
            self._counted = self._throughput.so_far

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Keep the learning rate, because the schedule changes it before the batch ends."""
        self._rate = optimizer.param_groups[0]["lr"]

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Add the numbers of the step, if a record is due."""
        if (batch_idx + 1) % self._every:
            return
        scalars = {
            "steps/learning_rate": self._rate,
            "steps/gradient_norm": float(pl_module.gradient_norm),  # type: ignore[arg-type]
        }
        if self._throughput is not None:
            num, seconds = self._throughput.so_far
            before, seconds_before = self._counted
            self._counted = num, seconds
            if seconds > seconds_before:
                rate = (num - before) / (seconds - seconds_before)
                scalars["steps/sequences_per_second"] = rate
        for writer, _ in _writers(trainer):
            for name, value in scalars.items():
                writer.add_scalar(name, value, trainer.global_step - 1)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the scores of each class in the last validation, and what was asked for."""
        _add_classes(trainer, pl_module, split="val")
        for writer, _ in _writers(trainer):
            if self.graph:
                add_graph(writer, pl_module, _sequences(trainer, "train"))
            if self.projector:
                parts = (_sequences(trainer, split) for split in ("val", "test", "train"))
                held_out = next(part for part in parts if part is not None)
                add_projector(writer, pl_module, held_out, class_names=_class_names(trainer))

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the scores of each class in the test set, and the worst mistakes."""
        _add_classes(trainer, pl_module, split="test")
        for writer, _ in _writers(trainer):
            if found := _worst_mistakes(trainer, pl_module):
                with drawing():
                    figure = mistakes_figure(
                        found, title="true class (its probability), as predicted"
                    )
                    writer.add_figure("test/mistakes", figure, global_step=trainer.global_step)


def _writers(trainer: Trainer) -> list[tuple[SummaryWriter, RunFolder]]:
    """Return the writers of this process, each with the folder of the run."""
    if not trainer.is_global_zero:
        return []
    return [
        (logger.experiment, RunFolder(Path(logger.save_dir)))
        for logger in trainer.loggers
        if isinstance(logger, TensorBoardLogger)
    ]


def _texts(folder: RunFolder) -> dict[str, str]:
    if not (folder.path / "config.yaml").is_file():  # no run of the command line
        return {}
    config = yaml.safe_dump(folder.plain_config(), sort_keys=False, allow_unicode=True)
    provenance = json.dumps(folder.provenance(), indent=2, ensure_ascii=False)
    return {"config": config, "provenance": provenance}


def _class_names(trainer: Trainer) -> Sequence[str]:
    names: Sequence[str] = trainer.datamodule.class_names  # type: ignore[attr-defined]
    return names


def _sequences(trainer: Trainer, split: str) -> Sequences | None:
    part: Sequences | None = getattr(trainer.datamodule.parts, split)  # type: ignore[attr-defined]
    return part


def _probabilities(pl_module: LightningModule, split: str) -> tuple[Tensor, Tensor, Tensor] | None:
    """Return probabilities (n, c), classes (n) and ids (n) of the last evaluation of a split."""
    outputs: dict[str, tuple[Tensor, Tensor, Tensor]] = pl_module.outputs  # type: ignore[assignment]
    if split not in outputs:
        return None
    logits, y, ids = outputs[split]
    temperature: float = pl_module.temperature or 1.0  # type: ignore[assignment]
    return torch.softmax(logits.double() / temperature, dim=1).cpu(), y.cpu(), ids.cpu()


def _add_classes(trainer: Trainer, pl_module: LightningModule, *, split: str) -> None:
    """Add the confusion matrix, and a curve of precision and recall for each class."""
    found = _probabilities(pl_module, split)
    if found is None:
        return
    probabilities, y, _ = found
    names, step = _class_names(trainer), trainer.global_step
    confusion: dict[str, Tensor] = pl_module.confusion  # type: ignore[assignment]
    for writer, _ in _writers(trainer):
        with drawing():
            figure = confusion_figure(confusion[split], names, title=f"{split}: counts")
            writer.add_figure(f"{split}/confusion", figure, global_step=step)
        for number, name in enumerate(islice(names, MAX_CURVES)):
            tag = f"{split}/precision_recall/{number} {inert(name)[:40]}"
            writer.add_pr_curve(tag, y == number, probabilities[:, number], global_step=step)


def _worst_mistakes(trainer: Trainer, pl_module: LightningModule) -> list[Mistake]:
    """Return the worst test sequences; none if they are windows, whose ids are not unique."""
    found, part = _probabilities(pl_module, "test"), _sequences(trainer, "test")
    if found is None or part is None or len(set(part.ids.tolist())) < len(part.ids):
        return []
    probabilities, y, ids = found
    of_class = probabilities.gather(1, y[:, None])[:, 0]
    predicted = probabilities.argmax(dim=1)
    rows = {int(number): row for row, number in enumerate(part.ids)}
    names = _class_names(trainer)
    worst = [n for n in of_class.argsort().tolist() if predicted[n] != y[n] and int(ids[n]) in rows]
    return [
        Mistake(
            x=part.x[rows[int(ids[n])], : int(part.lengths[rows[int(ids[n])]])],
            label=names[int(y[n])],
            predicted=names[int(predicted[n])],
            probability=float(of_class[n]),
        )
        for n in worst[:MAX_MISTAKES]
    ]

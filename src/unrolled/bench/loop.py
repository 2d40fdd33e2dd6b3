"""An epoch of a run with all its callbacks, next to the same epoch in a plain PyTorch loop.

Both train the same network on the same tensors in batches of the same size, and validate at the end
of the epoch. The run also logs, shows its progress, and writes checkpoints and metrics.csv. Epochs
of both alternate within one fit.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import Any

import torch
from lightning import Callback
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn
from torch.nn import functional

from unrolled.bench.bare import bare_network
from unrolled.bench.pairs import Row, row
from unrolled.bench.settings import Settings
from unrolled.building.instantiation import make
from unrolled.config.checks import check_config
from unrolled.config.composition import compose_config, without_hydra
from unrolled.encoders.blocks.stacked import Stacked
from unrolled.errors import ConfigError
from unrolled.heads.last_step import LastStep
from unrolled.runs.run_folder import RunFolder
from unrolled.training import trainer

Tensors = tuple[Tensor, Tensor]  # x (n, t, d) and y (n)


class BareLoop:
    """The classic training loop: a network, its optimizer, clipping, and validation.

    train, val: the tensors of both sets.
    clip: largest norm of the gradient, or None.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        train: Tensors,
        val: Tensors,
        batch_size: int,
        eval_batch_size: int,
        clip: float | None,
    ) -> None:
        self.network = network
        self.optimizer = optimizer
        self.train = train
        self.val = val
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.clip = clip

    def epoch(self) -> tuple[float, float, float, float]:
        """Train an epoch and validate. Return losses and accuracies in training and validation."""
        x, y = self.train
        loss_sum = correct = torch.zeros(())
        self.network.train()
        for rows in torch.split(torch.randperm(len(y)), self.batch_size):
            x_batch, y_batch = x[rows], y[rows]
            logits = self.network(x_batch)
            loss = functional.cross_entropy(logits, y_batch)
            self.optimizer.zero_grad()
            torch.autograd.backward(loss)
            if self.clip:
                nn.utils.clip_grad_norm_(self.network.parameters(), self.clip)
            self.optimizer.step()
            loss_sum = loss_sum + loss.detach() * len(rows)
            correct = correct + (logits.detach().argmax(dim=1) == y_batch).sum()
        self.network.eval()
        with torch.no_grad():
            x_val, y_val = self.val
            logits = torch.cat(
                [self.network(part) for part in torch.split(x_val, self.eval_batch_size)]
            )
            val_loss = functional.cross_entropy(logits, y_val)
            val_accuracy = (logits.argmax(dim=1) == y_val).float().mean()
        scores = (loss_sum / len(y), correct / len(y), val_loss, val_accuracy)
        return tuple(map(float, scores))  # type: ignore[return-value]


class Alternate(Callback):
    """Runs a plain epoch before each epoch of the run, and times both."""

    def __init__(self, bare: BareLoop) -> None:
        self.bare = bare
        self.bare_seconds: list[float] = []
        self.run_seconds: list[float] = []
        self._run_started_at: float | None = None

    def on_train_epoch_start(self, *_: Any) -> None:
        """End the epoch of the run before, then run a plain epoch."""
        bare_started_at = process_time()
        if self._run_started_at is not None:
            self.run_seconds.append(bare_started_at - self._run_started_at)
        self.bare.epoch()
        self._run_started_at = process_time()
        self.bare_seconds.append(self._run_started_at - bare_started_at)


def loop(settings: Settings, folder: Path) -> Iterator[Row]:
    """Yield a row per kernel: an epoch of training and validation.

    Raises:
        ConfigError: there is no bare loop for the run of settings.loop.
    """
    overrides = list(settings.loop)
    kernels = ["torch", "native"]
    for word in overrides:
        if word.startswith("model.kernel="):
            kernels = [word.partition("=")[2]]
    for kernel in kernels:
        config = _config(overrides, kernel, pairs=settings.pairs)
        run = trainer.build(config, RunFolder(folder / kernel))
        bare, name = _bare_loop(run, config)
        alternate = Alternate(bare)
        run.trainer.callbacks.insert(0, alternate)  # type: ignore[attr-defined]
        run.trainer.fit(run.classifier, datamodule=run.data)
        unmeasured = row(
            "loop",
            f"an epoch, {kernel}",
            f"bare loop, {name}",
            num_sequences=len(run.data.parts.train),
        )
        yield replace(
            unmeasured,
            values=tuple(alternate.run_seconds[1:]),  # without the first epoch, which warms up
            reference_values=tuple(alternate.bare_seconds[1:-1]),
        )


def _bare_loop(run: trainer.Experiment, config: DictConfig) -> tuple[BareLoop, str]:
    """Return the bare loop of a run, and the name of its recurrent module."""
    network, name = bare_network(
        run.classifier.network,
        num_features=run.data.num_features,
        hidden_size=config.model.hidden_size,
    )
    train, val = run.data.parts.train, run.data.parts.val
    assert val is not None
    bare = BareLoop(
        network,
        make(config, "optimizer")(network.parameters()),
        train=(train.x, train.y),
        val=(val.x, val.y),
        batch_size=config.data.batch_size,
        eval_batch_size=config.data.eval_batch_size,
        clip=config.trainer.gradient_clip_val,
    )
    return bare, name


def _config(overrides: list[str], kernel: str, *, pairs: int) -> DictConfig:
    """Return the config of a run of `pairs` epochs, and two more: the first and the last."""
    fixed = [
        f"model.kernel={kernel}",
        "trainer=cpu",
        f"trainer.max_epochs={pairs + 2}",
        "~callbacks.early_stopping",
    ]
    config = without_hydra(compose_config([*overrides, *fixed]))
    check_config(config)
    for key, needed in (
        ("model._target_", f"{Stacked.__module__}.{Stacked.__name__}"),
        ("model.bidirectional", False),
        ("head._target_", f"{LastStep.__module__}.{LastStep.__name__}"),
        ("stem._target_", "unrolled.stems.none.NoStem"),
        ("loss.mixup", 0.0),
    ):
        found = OmegaConf.select(config, key)
        if found != needed:
            raise ConfigError(
                f"loop: {key}={found}, but the bare loop has {needed}; use model=rnn, lstm or gru "
                "with head=last_step, without a stem and mixup"
            )
    return config

"""An epoch of a run, everything on, against the same epoch as a bare PyTorch loop.

    python benchmarks/epoch_overhead.py [pairs=21] [overrides of `unrolled train`]

Both train the network of experiment=tutorial_mnist on the same tensors, in batches of the same
size, with a validation pass at the end. The run also logs, draws its progress, writes two
checkpoints and metrics.csv. The bare loop is written out below. Within one process and one fit
they take turns, epoch by epoch; what is compared is CPU time, on one thread.
"""

import sys
import tempfile
from time import process_time
from typing import Any

import numpy as np
import torch
from lightning import Callback
from omegaconf import open_dict
from torch import Tensor, nn
from torch.nn import functional

from unrolled.config.composition import compose_config
from unrolled.runs.run_folder import RunFolder
from unrolled.training import trainer
from unrolled.training.process import prepare_process


class BareLoop:
    """The classic training loop: stacked nn.RNN, last step, Linear, Adam."""

    def __init__(
        self, train: tuple[Tensor, Tensor], val: tuple[Tensor, Tensor], config: Any
    ) -> None:
        self.train = train
        self.val = val
        self.batch_size = config.data.batch_size
        self.eval_batch_size = config.data.eval_batch_size
        self.clip = config.trainer.gradient_clip_val
        self.rnn = nn.RNN(
            train[0].shape[2], config.model.hidden_size, config.model.num_layers, batch_first=True
        )
        self.linear = nn.Linear(config.model.hidden_size, int(train[1].max()) + 1)
        self.parameters = [*self.rnn.parameters(), *self.linear.parameters()]
        self.optimizer = torch.optim.Adam(self.parameters, lr=config.optimizer.lr)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.linear(self.rnn(x)[0][:, -1])
        return logits

    def epoch(self) -> tuple[float, float, float, float]:
        """Train an epoch and validate; return losses and accuracies."""
        x, y = self.train
        loss_sum = correct = torch.zeros(())
        for rows in torch.randperm(len(y)).split(self.batch_size):
            x_batch, y_batch = x[rows], y[rows]
            logits = self.forward(x_batch)
            loss = functional.cross_entropy(logits, y_batch)
            self.optimizer.zero_grad()
            loss.backward()
            if self.clip:
                nn.utils.clip_grad_norm_(self.parameters, self.clip)
            self.optimizer.step()
            loss_sum = loss_sum + loss.detach() * len(rows)
            correct = correct + (logits.detach().argmax(dim=1) == y_batch).sum()
        with torch.no_grad():
            x_val, y_val = self.val
            logits = torch.cat([self.forward(part) for part in x_val.split(self.eval_batch_size)])
            val_loss = functional.cross_entropy(logits, y_val)
            val_accuracy = (logits.argmax(dim=1) == y_val).float().mean()
        return (
            float(loss_sum) / len(y),
            float(correct) / len(y),
            float(val_loss),
            float(val_accuracy),
        )


class TakeTurns(Callback):
    """Runs a bare epoch before each epoch of the run, and times both."""

    def __init__(self, bare: BareLoop) -> None:
        self.bare = bare
        self.bare_seconds: list[float] = []
        self.run_seconds: list[float] = []
        self._run_started_at: float | None = None

    def on_train_epoch_start(self, *_: Any) -> None:
        """Close the run's epoch, which ends when the next one begins; run a bare one."""
        bare_started_at = process_time()
        if self._run_started_at is not None:
            self.run_seconds.append(bare_started_at - self._run_started_at)
        self.bare.epoch()
        self._run_started_at = process_time()
        self.bare_seconds.append(self._run_started_at - bare_started_at)


def main(arguments: list[str]) -> None:
    """Measure and print the ratio."""
    pairs = int(next((a[6:] for a in arguments if a.startswith("pairs=")), "21"))
    overrides = [a for a in arguments if not a.startswith("pairs=")]
    if not any(a.startswith("experiment=") for a in overrides):
        overrides.insert(0, "experiment=tutorial_mnist")
    # one epoch more on each side: the first, which warms up, is left out
    config = compose_config(
        [*overrides, f"trainer.max_epochs={pairs + 2}", "callbacks.early_stopping.patience=1000"]
    )
    with open_dict(config):
        config.pop("hydra")
    prepare_process(num_threads=1, keep_memory=True)
    run = trainer.build(config, RunFolder(tempfile.mkdtemp()))
    parts = run.data.parts
    assert parts.val is not None
    turns = TakeTurns(BareLoop((parts.train.x, parts.train.y), (parts.val.x, parts.val.y), config))
    run.trainer.callbacks.insert(0, turns)  # type: ignore[attr-defined]
    run.trainer.fit(run.classifier, datamodule=run.data)
    ours = np.array(turns.run_seconds[1:])
    bare = np.array(turns.bare_seconds[1:-1])
    ratios = np.sort(ours / bare)
    low, high = np.quantile(
        np.median(np.random.default_rng(0).choice(ratios, (10_000, len(ratios))), axis=1),
        [0.025, 0.975],
    )
    steps = len(run.data.train_dataloader())
    print(f"{len(ratios)} interleaved pairs of epochs of {steps} steps, one thread, CPU time")
    print(f"bare loop {np.median(bare):.2f} s, run {np.median(ours):.2f} s (medians)")
    print(
        f"ratio: median {np.median(ratios):.3f}, 95 % interval of the median {low:.3f}-{high:.3f}"
    )


if __name__ == "__main__":
    main(sys.argv[1:])

"""What checkpoints and guards add to an epoch: the two files, finite numbers, signals, watchdog.

    python benchmarks/guards.py [pairs=20] [overrides of `unrolled train`]

Within one process and one fit of experiment=tutorial_mnist, epochs with and without the guards take
turns; what is compared is CPU time on one thread, and the time by the clock, which includes
waiting for the disk.
"""

import statistics
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from lightning import Callback
from omegaconf import open_dict

from unrolled.callbacks.watchdog import Watchdog
from unrolled.config.composition import compose_config
from unrolled.runs.run_folder import RunFolder
from unrolled.training.process import prepare_process
from unrolled.training.trainer import Experiment, build

OVERRIDES = [
    "experiment=tutorial_mnist",
    "trainer=cpu",
    "trainer.enable_progress_bar=false",
    "callbacks.early_stopping.patience=100000",
]
HOOKS = [name for name in vars(Callback) if name.startswith("on_")]


class Turns(Callback):
    """Switches the guards off in every second epoch, and notes how long each epoch takes."""

    def __init__(self, guards: list[Callback]) -> None:
        self.guards = guards
        self.seconds: list[tuple[float, float]] = []
        self._started_at = (0.0, 0.0)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Take turns."""
        now = (process_time(), perf_counter())
        if trainer.current_epoch:
            cpu, clock = (end - start for end, start in zip(now, self._started_at, strict=True))
            self.seconds.append((cpu, clock))
        for guard in self.guards:
            for hook in HOOKS:
                if getattr(type(guard), hook) is getattr(Callback, hook):
                    continue  # nobody wrote it
                if trainer.current_epoch % 2:
                    setattr(guard, hook, lambda *_, **__: None)
                else:
                    vars(guard).pop(hook, None)
        self._started_at = (process_time(), perf_counter())


def guards_of(experiment: Experiment) -> list[Callback]:
    """Return the callbacks that are switched."""
    return [
        experiment.checkpoint,
        experiment.checkpoint.finite,
        *(c for c in experiment.trainer.callbacks if isinstance(c, Watchdog)),
    ]


def main() -> None:
    """Measure and print."""
    arguments = dict(a.split("=", 1) for a in sys.argv[1:] if a.startswith("pairs="))
    num_pairs = int(arguments.get("pairs", 20))
    overrides = [a for a in sys.argv[1:] if not a.startswith("pairs=")]
    config = compose_config([*OVERRIDES, f"trainer.max_epochs={2 * num_pairs + 3}", *overrides])
    with open_dict(config):
        config.pop("hydra")
    prepare_process(num_threads=1, keep_memory=True)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as path:  # not /tmp, which may be memory
        experiment = build(config, RunFolder(path))
        turns = Turns(guards_of(experiment))
        experiment.trainer.callbacks.insert(0, turns)
        experiment.trainer.fit(experiment.classifier, datamodule=experiment.data)
    seconds = turns.seconds[2:]  # the first epochs warm up
    for index, name in enumerate(("CPU", "clock")):
        with_guards = [pair[index] for pair in seconds[0::2]]
        without = [pair[index] for pair in seconds[1::2]]
        differences = [a - b for a, b in zip(with_guards, without, strict=False)]
        base, added = statistics.median(without), statistics.median(differences)
        print(
            f"{name:>5}: an epoch {1000 * base:.1f} ms without, {1000 * added:+.2f} ms with "
            f"guards ({100 * added / base:+.2f} %), median of {len(differences)} pairs"
        )


if __name__ == "__main__":
    main()

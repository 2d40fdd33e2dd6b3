"""What four patches of Lightning's training loop would save. The project uses none of them.

    python benchmarks/lightning_hot_path.py [epochs=7] [overrides of `unrolled train`]

- setattr: `_current_fx_name`, which Lightning sets about 30 times a step, bypasses torch's checks
- hooks: hooks of a step that nobody wrote are set to None, which Lightning skips
- signature: `training_step` keeps its signature, which Lightning otherwise inspects in each step
- profiler: one shared empty context instead of a new one for each hook

The variants alternate in random order, step by step, within one fit of experiment=tutorial_mnist.
CPU time from the start of one step to the start of the next is compared, on one thread, so other
load on the machine falls on all variants alike. A patch is worth its obscurity from 2 % on.
"""

import inspect
import sys
import tempfile
from contextlib import AbstractContextManager, nullcontext
from time import process_time
from typing import Any

import numpy as np
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.profilers import PassThroughProfiler
from omegaconf import open_dict

from unrolled.classifier.module import SequenceClassifier
from unrolled.config.composition import compose_config
from unrolled.runs.run_folder import RunFolder
from unrolled.training.process import prepare_process
from unrolled.training.trainer import build

OVERRIDES = [
    "experiment=tutorial_mnist",
    "trainer=cpu",
    "trainer.limit_val_batches=0",
    "callbacks.early_stopping=null",
    "callbacks.progress.style=bar",
]
PATCHES = ("setattr", "hooks", "signature", "profiler")
VARIANTS: dict[str, tuple[str, ...]] = {
    "none": (),
    **{patch: (patch,) for patch in PATCHES},
    "first three": PATCHES[:3],
    "all": PATCHES,
}
HOOKS = (
    "on_train_batch_start",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_train_batch_end",
)
STEP: Any = SequenceClassifier.training_step
SIGNATURE = inspect.signature(STEP)
NUM_WARM_UP = 20


class SharedContextProfiler(PassThroughProfiler):
    """Returns the same empty context for every hook."""

    context = nullcontext("")

    def profile(self, action_name: str) -> AbstractContextManager[Any]:  # type: ignore[override]
        """Return a context that does nothing."""
        return self.context


def set_attribute(self: SequenceClassifier, name: str, value: Any) -> None:
    """Set the attribute, without torch's checks if it is the name of a hook."""
    if name == "_current_fx_name":
        self.__dict__[name] = value
    else:
        LightningModule.__setattr__(self, name, value)


def apply(patches: tuple[str, ...], trainer: Trainer, module: LightningModule) -> None:
    """Switch these patches on and all others off."""
    if "setattr" in patches:
        SequenceClassifier.__setattr__ = set_attribute  # type: ignore[assignment]
    elif "__setattr__" in vars(SequenceClassifier):
        del SequenceClassifier.__setattr__
    for owner in (*trainer.callbacks, module):  # type: ignore[attr-defined]
        base = Callback if isinstance(owner, Callback) else LightningModule
        for name in HOOKS:
            if getattr(type(owner), name) is getattr(base, name):
                if "hooks" in patches:
                    vars(owner)[name] = None
                else:
                    vars(owner).pop(name, None)
    if "signature" in patches:
        STEP.__signature__ = SIGNATURE
    elif hasattr(STEP, "__signature__"):
        del STEP.__signature__
    shared = "profiler" in patches
    trainer.profiler = SharedContextProfiler() if shared else PassThroughProfiler()


class Alternate(Callback):
    """Applies the next variant before each step, and times the step."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
        self._random = np.random.default_rng(0)
        self._started_at = 0.0
        self._start_again()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """End the time of the step before, and start that of the next one."""
        now = process_time()
        if self._variant is not None:
            self.seconds[self._variant].append(now - self._started_at)
        if not self._queue:
            self._queue = [str(name) for name in self._random.permutation(list(VARIANTS))]
        self._variant = self._queue.pop()
        apply(VARIANTS[self._variant], trainer, pl_module)
        self._started_at = process_time()

    def on_train_epoch_end(self, *_: Any) -> None:
        """Drop an incomplete round: the end of the epoch interrupted it."""
        complete = min(map(len, self.seconds.values()))
        self.seconds = {name: values[:complete] for name, values in self.seconds.items()}
        self._start_again()

    def _start_again(self) -> None:
        self._variant: str | None = None
        self._queue: list[str] = []


def main(arguments: list[str]) -> None:
    """Measure and print."""
    epochs = int(next((a[7:] for a in arguments if a.startswith("epochs=")), "7"))
    overrides = [a for a in arguments if not a.startswith("epochs=")]
    config = compose_config([*OVERRIDES, f"trainer.max_epochs={epochs}", *overrides])
    with open_dict(config):
        config.pop("hydra")
    prepare_process(num_threads=1, keep_memory=True)
    run = build(config, RunFolder(tempfile.mkdtemp()))
    alternate = Alternate()
    run.trainer.callbacks.insert(0, alternate)  # type: ignore[attr-defined]
    run.trainer.fit(run.classifier, datamodule=run.data)
    seconds = {name: np.array(v[NUM_WARM_UP:]) for name, v in alternate.seconds.items()}
    base = seconds.pop("none")
    print(f"{len(base)} rounds; a step without patches: {1000 * np.median(base):.2f} ms (median)")
    for name, times in seconds.items():
        gains = 100 * (1 - times / base)
        samples = np.random.default_rng(0).choice(gains, (10_000, len(gains)))
        low, high = np.quantile(np.median(samples, axis=1), [0.025, 0.975])
        print(f"{name:>12}: {np.median(gains):.2f} % less, 95 % interval {low:.2f} to {high:.2f} %")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Prints how many Python functions each step of a short run calls; see test_step_calls.py.

Not a test: run in a process of its own, without the type checks that tests add to every call.
"""

import sys
import tempfile
from types import FrameType
from typing import Any

from lightning import Callback
from omegaconf import open_dict

from unrolled.config.composition import compose_config
from unrolled.runs.run_folder import RunFolder
from unrolled.training import trainer
from unrolled.training.process import prepare_process


class CountCalls(Callback):
    """Counts the calls of Python functions from the start of one batch to that of the next."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self._count = 0

    def on_train_batch_start(self, *_: Any) -> None:
        self.counts.append(self._count)
        self._count = 0
        sys.setprofile(self._note)

    def on_validation_start(self, *_: Any) -> None:
        sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, argument: Any) -> None:
        self._count += event == "call"


def main() -> None:
    prepare_process(num_threads=1, keep_memory=True)
    config = compose_config(
        ["experiment=tutorial_random", "data.batch_size=5", "trainer.max_epochs=1"]
    )
    with open_dict(config):
        config.pop("hydra")
    run = trainer.build(config, RunFolder(tempfile.mkdtemp()))
    counter = CountCalls()
    run.trainer.callbacks.insert(0, counter)
    run.trainer.fit(run.classifier, datamodule=run.data)
    print(*counter.counts[2:])  # the first step warms up


if __name__ == "__main__":
    main()

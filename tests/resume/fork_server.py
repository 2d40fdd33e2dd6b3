"""Starts runs in milliseconds: a process with torch and Lightning loaded forks one per request.

Each run is a process of its own, ended by real signals, in the process group of the server.
Requests and answers are lines of JSON on standard input and output. What a run computes is
recorded from within, and a fault can be planted at an exact place: see `Instrument`.
"""

import contextlib
import gc
import json
import os
import runpy
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import hydra  # noqa: F401 - loaded before the fork
import matplotlib.backends.backend_agg  # noqa: F401
import numpy as np
import sklearn.linear_model
import sklearn.metrics  # noqa: F401
import torch
from lightning import Callback
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.loggers import TensorBoardLogger  # noqa: F401

with contextlib.suppress(ImportError):  # the tests that need it are skipped
    import optuna.storages._rdb.storage  # noqa: F401

from small import SMALL

from unrolled import cli
from unrolled.callbacks import tensorboard_views  # noqa: F401
from unrolled.commands import evaluate, resume, train  # noqa: F401
from unrolled.config.composition import compose_config
from unrolled.contracts import Batch
from unrolled.data.sources import digits, random  # noqa: F401
from unrolled.reports import terminal  # noqa: F401
from unrolled.reports.pages import sweep_page
from unrolled.runs import durable, metrics_csv, provenance
from unrolled.training import experiment, trainer  # noqa: F401

# drawing a page takes longer than a sweep of the tests; tests/reports/test_pages.py draws it
sweep_page.write_sweep_page = lambda *_, **__: None  # type: ignore[assignment]

HANG_SECONDS = 3600  # longer than any test may take


class Instrument(Callback):
    """Records (epoch, batch, sequences, bits of the loss) of each batch, and injects faults.

    record: file that a line is added to for each batch.
    faults: each {"at": hook, "epoch": int, "batch": int, "seed": int, "do": what}, any but at and
        do left out; hooks are batch_start, batch_end, validation, epoch_end,
        train_end; what is a signal's name, or a method of this class.
    output: file that the process prints to.
    """

    def __init__(self, record: str, faults: list[dict[str, Any]], output: str) -> None:
        self.file = Path(record).open("a")  # noqa: SIM115 - until the process ends
        self.hanging = Path(record).with_suffix(".hanging")
        self.output = Path(output)
        self.faults = faults

    def on_train_start(self, trainer, pl_module):
        self._inject("train_start", trainer, 0)

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self._inject("batch_start", trainer, batch_idx, pl_module)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch: Batch, batch_idx):
        loss = outputs["loss"].detach().numpy().tobytes().hex()
        ids = batch.ids.tolist()
        self.file.write(json.dumps([trainer.current_epoch, batch_idx, ids, loss]) + "\n")
        self.file.flush()
        self._inject("batch_end", trainer, batch_idx)

    def on_validation_epoch_end(self, trainer, pl_module):
        if trainer.state.fn == "fit":  # not when an ensemble is scored
            self._inject("validation", trainer, trainer.fit_loop.batch_idx)

    def on_train_epoch_end(self, trainer, pl_module):
        self._inject("epoch_end", trainer, trainer.fit_loop.batch_idx)

    def on_train_end(self, trainer, pl_module):
        self._inject("train_end", trainer, trainer.fit_loop.batch_idx)

    def _inject(self, hook, trainer, batch_idx, pl_module=None):
        here = {"at": hook, "epoch": trainer.current_epoch, "batch": batch_idx}
        here["seed"] = trainer.datamodule.seed
        for fault in self.faults:
            if any(fault.get(key, here[key]) != here[key] for key in here):
                continue
            harm = getattr(self, fault["do"], None)
            if harm is None:
                os.kill(os.getpid(), getattr(signal, fault["do"]))
            else:
                harm(trainer, pl_module)

    def nan(self, trainer, pl_module):
        with torch.no_grad():
            next(pl_module.parameters())[0] = np.nan

    def hang(self, trainer, pl_module):
        self.hanging.touch()
        time.sleep(HANG_SECONDS)

    def hang_until_reported(self, trainer, pl_module):
        while "in hang_until_reported" not in self.output.read_text():
            time.sleep(0.01)

    def let_ten_hours_pass(self, trainer, pl_module):
        (timer,) = [found for found in trainer.callbacks if isinstance(found, Timer)]
        timer._offset += 36_000

    def fail(self, trainer, pl_module):
        raise ValueError("a planted error")

    def exit(self, trainer, pl_module):
        sys.exit(0)

    def run_out_of_memory(self, trainer, pl_module):
        bytearray(2**62)

    def fill_disk(self, trainer, pl_module):
        with (
            contextlib.suppress(OSError),
            Path(trainer.default_root_dir, "ballast").open("wb") as f,
        ):
            while True:
                f.write(bytes(1000))
                f.flush()

    def forbid(self, trainer, pl_module):
        path = f"{trainer.default_root_dir}/checkpoints"
        subprocess.run(["mount", "--bind", "-o", "ro", path, path], check=True)


def _kill_at_write(number: int) -> None:
    """Kill the process at the given call of `sync`. Each write has two: file, then folder."""
    count = 0
    sync = durable.sync

    def counting(path: Path) -> None:
        nonlocal count
        count += 1
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)
        sync(path)

    durable.sync = metrics_csv.sync = counting


def _other_data() -> None:
    """Change the data of the source without changing the config."""
    load = random.Random.load

    def loading(self):
        data = load(self)
        data.train.x[0, 0, 0] += 1
        return data

    random.Random.load = loading


def _child(request: dict[str, Any]) -> None:
    for number, path in ((1, request["output"]), (2, request.get("errors", request["output"]))):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", buffering=1, closefd=False)
    os.environ.update(request.get("environment", {}))
    os.chdir(request.get("cwd", "."))
    if "record" in request:
        _instrument(request)
    if request.get("other_data"):
        _other_data()
    if "kill_at_write" in request:
        _kill_at_write(request["kill_at_write"])
    if "script" in request:
        runpy.run_path(request["script"], run_name="__main__")
        code = 0
    else:
        sys.argv = ["unrolled", *request["arguments"]]
        code = cli.run(request["arguments"])
    sys.stdout.flush()
    os._exit(code)


def _instrument(request: dict[str, Any]) -> None:
    """Add an `Instrument` to the callbacks of the run."""
    instrument = Instrument(request["record"], request.get("faults", []), request["output"])
    build_trainer = trainer.build_trainer

    def build_instrumented(config, folder, *, callbacks, loggers):
        callbacks = [instrument, *callbacks] if request.get("first") else [*callbacks, instrument]
        return build_trainer(config, folder, callbacks=callbacks, loggers=loggers)

    trainer.build_trainer = build_instrumented


def main() -> None:
    """Serve until standard input ends."""
    torch.set_num_threads(1)
    gc.set_threshold(50_000)  # as `unrolled.cli.main` does
    compose_config([*SMALL])  # fills caches of the parsers of Hydra and OmegaConf
    provenance.remember_code()
    gc.collect()
    gc.freeze()  # so that a fork does not copy the pages of all objects to search them
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    print(json.dumps({"ready": True}), file=answers)
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            _, status = os.waitpid(request["wait"], 0)
            print(json.dumps({"code": os.waitstatus_to_exitcode(status)}), file=answers)
            continue
        child = os.fork()
        if child == 0:
            try:
                _child(request)
            except BaseException:  # noqa: BLE001 - a fork must not return
                traceback.print_exc()
                os._exit(99)
        print(json.dumps({"pid": child}), file=answers)


if __name__ == "__main__":
    main()

"""Prediction of a file, and a step of a stream, next to the bare network.

`predict` reads a CSV file, checks it, classifies, and writes a table of probabilities. The
reference is `pandas.read_csv` and the same LSTM without gradients, in batches of the same size. A
step of a stream also checks that the values are finite, standardizes them in double precision, and
returns numpy arrays. Its reference is torch's LSTM cell, a linear layer and a softmax.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from unrolled.bench.bare import bare_network
from unrolled.bench.pairs import Case, row
from unrolled.bench.sequence_files import NUM_STEPS, settings_for, write_files
from unrolled.bench.settings import Settings
from unrolled.bench.small_run import NUM_CLASSES, NUM_FEATURES, NUM_UNITS, small_run
from unrolled.prediction.answers import answer_rule
from unrolled.prediction.predictor import Predictor
from unrolled.prediction.tally import Tally
from unrolled.prediction.writing import write_predictions

UNITS = 64
TRAINED_ON = 500  # sequences
STREAM_STEPS = 200


def predict(settings: Settings, folder: Path) -> Iterator[Case]:
    """Yield a case for a file, and one for a step of a stream."""
    yield _file(folder, settings)
    yield _stream(folder)


def _file(folder: Path, settings: Settings) -> Case:
    write_files(folder, TRAINED_ON)
    overrides = [
        *settings_for(folder / "wide.csv"),
        *("recipe=own", "model=lstm", f"model.hidden_size={UNITS}", "head=last_step", "stem=none"),
        *("data.test_size=0.2", "data.val_size=0.2"),
        *("trainer=cpu", "trainer.max_epochs=1", "trainer.max_steps=1", "logger=none"),
        "trainer.enable_progress_bar=false",
    ]
    run = small_run(folder / "trained", tuple(overrides))
    predictor = Predictor(run)
    network = predictor.run.networks[0]
    bare, _ = bare_network(network, num_features=1, hidden_size=UNITS)
    batch_size = predictor.run.config.data.eval_batch_size
    write_files(folder, settings.num_sequences)
    path, output = folder / "wide.csv", folder / "classes.csv"

    def ours() -> None:
        rule = answer_rule(predictor.class_names, abstain_below=None, threshold=None, positive=None)
        write_predictions(
            predictor,
            path,
            output,
            tally=Tally(rule, None, noun="sequences"),
            by_step=False,
            labelled=False,
            whole=False,
            strict=False,
        )

    @torch.inference_mode()
    def reference() -> None:
        values = pd.read_csv(path).iloc[:, :NUM_STEPS].to_numpy(dtype=np.float32)
        for part in torch.split(torch.from_numpy(values)[:, :, None], batch_size):
            bare(part).softmax(dim=1)

    unmeasured = row(
        "predict",
        f"a CSV file, lstm {UNITS}",
        "read_csv, torch.nn.LSTM",
        num_sequences=settings.num_sequences,
    )
    return Case(unmeasured, ours, reference)


def _stream(folder: Path) -> Case:
    stream = Predictor(small_run(folder / "streamed")).stream()
    cell = nn.LSTMCell(NUM_FEATURES, NUM_UNITS)
    output = nn.Linear(NUM_UNITS, NUM_CLASSES)
    x = torch.randn(1, STREAM_STEPS, NUM_FEATURES)
    steps: Any = x[0].double().numpy()

    def ours() -> None:
        for x_t in steps:
            stream.step(x_t)

    @torch.inference_mode()
    def reference() -> None:
        state = torch.zeros(1, NUM_UNITS), torch.zeros(1, NUM_UNITS)
        for x_t in x.unbind(1):
            state = cell(x_t, state)
            output(state[0]).softmax(dim=1)

    name = f"a step of a stream, lstm {NUM_UNITS}"
    scales = 1 / STREAM_STEPS, 1 / STREAM_STEPS
    return Case(row("predict", name, "torch.nn.LSTMCell"), ours, reference, scales=scales)

"""Time of one step of a stream, against a bare LSTM cell with linear layer and softmax.

    OMP_NUM_THREADS=1 python benchmarks/stream.py

Both read one sequence of 3 features with 128 units. The stream also checks that the values are
finite, standardises them in double precision, and returns numpy arrays. The two alternate, and the
medians of CPU time are compared, so that other work on the machine has little influence.
"""

import statistics
import tempfile
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

import unrolled

STEPS, REPEATS = 500, 21
NUM_FEATURES, NUM_UNITS, NUM_CLASSES = 3, 128, 4

SETTINGS = (
    "data=random",
    f"data.source.num_features={NUM_FEATURES}",
    f"data.source.num_classes={NUM_CLASSES}",
    "data.source.num_train=40",
    "data.source.num_val=12",
    "data.source.num_test=12",
    "model=lstm",
    f"model.hidden_size={NUM_UNITS}",
    "trainer=cpu",
    "trainer.max_epochs=1",
    "logger=none",
)


def bare_steps(x: torch.Tensor) -> None:
    """Read the steps with torch's own cell."""
    state = torch.zeros(1, NUM_UNITS), torch.zeros(1, NUM_UNITS)
    for x_t in x.unbind(1):
        state = cell(x_t, state)
        output(state[0]).softmax(dim=1)


def seconds_per_step(read: Callable[[], None]) -> float:
    """Return the CPU time of a step."""
    start = time.process_time()
    read()
    return (time.process_time() - start) / STEPS


with tempfile.TemporaryDirectory() as folder:
    stream = unrolled.load(unrolled.train([*SETTINGS, f"hydra.run.dir={folder}/run"])).stream()

cell, output = nn.LSTMCell(NUM_FEATURES, NUM_UNITS), nn.Linear(NUM_UNITS, NUM_CLASSES)
x = torch.randn(1, STEPS, NUM_FEATURES)
values = x[0].double().numpy()


def stream_steps() -> None:
    """Read the steps with the stream."""
    for x_t in values:
        stream.step(x_t)


torch.set_num_threads(1)
bare, ours = [], []
with torch.inference_mode():
    for _ in range(REPEATS):
        bare.append(seconds_per_step(lambda: bare_steps(x)))
        ours.append(seconds_per_step(stream_steps))
ratio = statistics.median(np.array(ours) / np.array(bare))
print(f"bare LSTM cell, linear layer and softmax: {1e6 * statistics.median(bare):6.1f} us a step")
print(f"stream.step:                              {1e6 * statistics.median(ours):6.1f} us a step")
print(f"ratio of CPU time:                        {ratio:6.2f} (at most 4)")

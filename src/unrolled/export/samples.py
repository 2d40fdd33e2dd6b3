"""Sequences on which an exported file is compared with the run."""

import numpy as np
import numpy.typing as npt
from omegaconf import DictConfig

from unrolled.building.data import build_data
from unrolled.contracts import SourceData
from unrolled.data.layouts import lay_out
from unrolled.data.selection import Selection
from unrolled.prediction.trained_run import TrainedRun

NUM_SEQUENCES = 12
STEPS = 2_000  # of a longer sequence, only the first ones

Samples = list[npt.NDArray[np.float64]]


def real_samples(config: DictConfig, *, max_steps: int | None) -> Samples:
    """Return raw sequences of a run's data, of different lengths, and parts of the longest one.

    They are test sequences if the data has a test set of its own.

    max_steps: of the longest sequence that the model reads.

    Raises:
        DataError: the data is not to be had.
    """
    data = build_data(config)
    data.prepare_data()
    sequences = _laid_out(data.load_source(), config)
    sequences.sort(key=len)
    places = np.linspace(0, len(sequences) - 1, min(NUM_SEQUENCES, len(sequences)))
    return _with_parts([sequences[round(place)] for place in places], max_steps=max_steps)


def _laid_out(loaded: SourceData, config: DictConfig) -> Samples:
    """Return sequences as `predict` takes them."""
    layout = config.data.layout
    part = loaded.test or loaded.train
    found: Samples = []
    for block in Selection.of_all(part).blocks():
        x = lay_out(
            block.x,
            layout=layout,
            permutation_name=config.data.permutation,
            pixels_per_step=config.data.pixels_per_step,
        )
        lengths = block.lengths if layout == "rows" else block.lengths * 0 + x.shape[1]
        pairs = zip(x.numpy(), lengths.tolist(), strict=True)
        found += [sequence[:length] for sequence, length in pairs]
    return found


def random_samples(run: TrainedRun, *, max_steps: int | None) -> Samples:
    """Return sequences of normal values with the moments of the training set."""
    random = np.random.default_rng(0)
    standardization = run.fitted.standardization
    mean, scale = standardization.mean.numpy(), standardization.scale.numpy()
    longest = min(max_steps or 40, 40)
    mean, scale = mean[: run.num_features], scale[: run.num_features]
    return [
        mean + scale * random.normal(size=(length, run.num_features))
        for length in (1, 2, longest // 2 + 1, longest)
    ]


def _with_parts(sequences: Samples, *, max_steps: int | None) -> Samples:
    limit = min(max_steps or STEPS, STEPS)
    sequences = [sequence[:limit] for sequence in sequences]
    longest = max(sequences, key=len)
    lengths = {1, min(2, len(longest)), (len(longest) + 1) // 2}
    return sequences + [longest[:length] for length in sorted(lengths)]


def with_missing_values(sequences: Samples) -> Samples:
    """Return the sequences with a tenth of the values missing."""
    random = np.random.default_rng(0)
    return [np.where(random.random(x.shape) < 0.1, np.nan, x) for x in sequences]

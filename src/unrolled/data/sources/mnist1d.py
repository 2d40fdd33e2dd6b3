"""MNIST-1D: ten shapes of twelve points, moved, scaled, tilted and noisy, as 40 steps.

Greydanus & Kobak (2024), Scaling down deep learning with MNIST-1D, section 2; procedure and
constants after the authors' code, github.com/greydanus/mnist1d, `data.py` and `transform.py`.
The published arrays come from its seed, 42; here every seed gives a set of its own.
"""

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import gaussian_filter
from sklearn.neighbors import NearestCentroid

from unrolled.contracts import Sequences, Source, SourceData
from unrolled.errors import ConfigError
from unrolled.memory import require_memory

# The digits 0 to 9 as lines through twelve points.
SHAPES = np.array(
    [
        [5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5],
        [5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5],
        [5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5],
        [5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5],
        [5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5],
        [5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5],
        [5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5],
        [5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5],
        [5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5],
        [5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5],
    ]
)
LEAST_PADDING, MOST_PADDING = 36, 60  # points behind the shape
SCALE_RANGE = 0.4
MAX_SHIFT = 48
SMOOTH_NOISE, NOISE, SMOOTHING = 0.25, 0.02, 2
TILT = 0.75
NUM_STEPS = 40
TRAIN_SHARE = 0.8
PRESENT = 1e-8  # added to a shape, so that a point at zero differs from padding


class MNIST1D(Source):
    """num sequences of 40 steps of one feature in ten classes; four fifths are for training.

    num: sequences, a multiple of 10.
    seed: of the draw, >= 0; 42 gives the published arrays.
    """

    def __init__(self, *, num: int, seed: int) -> None:
        if num < 10 or num % 10:
            raise ConfigError(f"data.source.num={num}: need a multiple of 10, one share per class")
        self.num = num
        self.seed = seed

    def load(self) -> SourceData:
        """Return the training and the test part, with the score of the nearest class mean."""
        require_memory(
            8 * self.num * 40,
            what=f"{self.num:,} sequences of 40 steps",
            remedy="use a smaller data.source.num",
        )
        x, y = draw(num=self.num, seed=self.seed)
        num_train = int(self.num * TRAIN_SHARE)
        nearest = NearestCentroid().fit(x[:num_train], y[:num_train])
        tensors = torch.from_numpy(x[:, :, None].astype(np.float32)), torch.from_numpy(y)
        every = Sequences.of_equal_length(*tensors, first_id=0)
        return SourceData(
            train=every.take(torch.arange(num_train)),
            val=None,
            test=every.take(torch.arange(num_train, self.num)),
            class_names=[str(digit) for digit in range(10)],
            baselines={"nearest class mean": float(nearest.score(x[num_train:], y[num_train:]))},
        )


def draw(*, num: int, seed: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return sequences (num, 40), mean 0 and deviation 1 over all, and digits (num,)."""
    random = np.random.RandomState(seed)  # the generator that the authors use
    centred = SHAPES - SHAPES.mean(axis=1, keepdims=True)
    shapes = centred / centred.std(axis=1, keepdims=True)
    shapes = (shapes - shapes[:, :1]) / 6
    digits = np.repeat(np.arange(10), num // 10)
    x = np.stack([_varied(shapes[digit], random) for digit in digits])
    order = random.permutation(num)
    x = x[order]
    return (x - x.mean()) / x.std(), digits[order]


def _varied(
    shape: npt.NDArray[np.float64], random: np.random.RandomState
) -> npt.NDArray[np.float64]:
    padding = LEAST_PADDING + int(random.rand() * (MOST_PADDING - LEAST_PADDING + 1))
    x = _resampled(np.concatenate([shape + PRESENT, np.zeros(padding)]), len(shape) + MOST_PADDING)
    x = x * (1 + SCALE_RANGE * (random.rand() - 0.5))
    x = np.roll(x, random.choice(MAX_SHIFT))
    background = gaussian_filter(SMOOTH_NOISE * random.randn(len(x)), SMOOTHING)
    x = np.where(x != 0, x, background) + NOISE * random.randn(len(x))
    x = x - TILT * (random.rand() - 0.5) * np.linspace(-0.5, 0.5, len(x))
    return _resampled(x, NUM_STEPS)


def _resampled(x: npt.NDArray[np.float64], num: int) -> npt.NDArray[np.float64]:
    places = np.linspace(0, 1, num)
    values: npt.NDArray[np.float64] = np.interp(places, np.linspace(0, 1, len(x)), x)
    return values

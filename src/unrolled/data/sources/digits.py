"""Handwritten digits that come with scikit-learn: 1,797 images, 8 x 8 pixels, 17 grey levels.

Alpaydin & Kaynak (1998), UCI Optical recognition of handwritten digits (its test part).
"""

import numpy as np
import torch
from sklearn.datasets import load_digits

from unrolled.contracts import Sequences, Source, SourceData


class Digits(Source):
    """1,797 images as sequences of 8 rows of 8 pixels, scaled to [0, 1]; no download."""

    def load(self) -> SourceData:
        """Return all images as the training part; no test part is given."""
        digits = load_digits()
        images = torch.from_numpy((digits.images / 16.0).astype(np.float32))
        labels = torch.from_numpy(digits.target)
        train = Sequences.of_equal_length(images, labels, first_id=0)
        return SourceData(
            train=train, val=None, test=None, class_names=[str(n) for n in digits.target_names]
        )

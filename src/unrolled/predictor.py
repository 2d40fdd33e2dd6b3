"""What a run learnt, applied to new sequences."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from unrolled.building import load_classifier
from unrolled.contracts import Sequences
from unrolled.data.inspection import check_sequences
from unrolled.data.standardization import Standardization
from unrolled.errors import DataError
from unrolled.run_folder import RunFolder


@dataclass(frozen=True)
class Prediction:
    """Class names (n) and probabilities (n, c), a row per sequence; columns as in class_names."""

    labels: list[str]
    probabilities: npt.NDArray[np.float32]
    class_names: list[str]


class Predictor:
    """A trained classifier with the standardisation and the class names that belong to it.

    folder: of a run with a checkpoint.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.config = folder.config()
        preprocessing = folder.preprocessing()
        self.class_names: list[str] = preprocessing["class_names"]
        self.num_features: int = preprocessing["num_features"]
        self.standardization = Standardization.from_lists(preprocessing["standardization"])
        self.classifier = load_classifier(self.config, folder)

    @torch.inference_mode()
    def predict(self, x: npt.ArrayLike | Tensor | Sequence[npt.ArrayLike | Tensor]) -> Prediction:
        """Return class and probabilities of each sequence.

        x: raw features, laid out in time as the run's config says: an array (n, t, d), or a list
            of n arrays (t_i, d) of any lengths.

        Raises:
            DataError: another number of features than the run was trained on, an empty sequence,
                or a number that is not finite.
        """
        sequences = self._as_sequences(x)
        size = self.config.data.eval_batch_size
        rows = torch.split(torch.arange(len(sequences)), size)
        logits = torch.cat([self._logits(sequences.take(part)) for part in rows])
        labels = [self.class_names[index] for index in logits.argmax(dim=1).tolist()]
        return Prediction(labels, logits.softmax(dim=1).numpy(), self.class_names)

    def _logits(self, sequences: Sequences) -> Tensor:
        x = self.standardization(sequences.x)
        logits: Tensor = self.classifier(x, sequences.lengths)
        return logits

    def _as_sequences(
        self, x: npt.ArrayLike | Tensor | Sequence[npt.ArrayLike | Tensor]
    ) -> Sequences:
        parts = [torch.as_tensor(np.asarray(part), dtype=torch.float32) for part in x]  # type: ignore[union-attr]
        if not parts:
            raise DataError("there is no sequence to predict")
        for row, part in enumerate(parts):
            if part.ndim != 2 or part.shape[1] != self.num_features:
                raise DataError(
                    f"sequence {row} has shape {tuple(part.shape)}; the run reads sequences of "
                    f"shape (t, {self.num_features})"
                )
        sequences = Sequences(
            x=pad_sequence(parts, batch_first=True),
            lengths=torch.tensor([len(part) for part in parts]),
            y=torch.zeros(len(parts), dtype=torch.long),
            ids=torch.arange(len(parts)),
        )
        check_sequences(sequences, part_name="prediction", num_classes=len(self.class_names))
        return sequences

"""What a run learnt, applied to new sequences."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from omegaconf import DictConfig
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from unrolled.building import load_classifier
from unrolled.contracts import Sequences
from unrolled.data.inspection import check_sequences
from unrolled.data.missing import Filling
from unrolled.data.reading import Reading
from unrolled.data.standardization import Standardization
from unrolled.data.truncation import truncate
from unrolled.data.windows import Windows
from unrolled.errors import DataError
from unrolled.run_folder import RunFolder
from unrolled.votes import vote


@dataclass(frozen=True)
class Prediction:
    """Class names (n) and probabilities (n, c), a row per sequence; columns as in class_names."""

    labels: list[str]
    probabilities: npt.NDArray[np.float32]
    class_names: list[str]


class Predictor:
    """A trained classifier with the class names, filling and standardisation that belong to it.

    folder: of a run with a checkpoint.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.config = folder.config()
        preprocessing = folder.preprocessing()
        self.class_names: list[str] = preprocessing["class_names"]
        self.filling = Filling.from_plain(preprocessing.get("filling"))
        self.standardization = Standardization.from_lists(preprocessing["standardization"])
        self.num_features: int = preprocessing["num_features"]
        if self.filling.mode == "mask":
            self.num_features //= 2  # the other half says what is missing
        self.reading = preprocessing.get("reading")
        self.windows = _windows(self.config)
        self.classifier = load_classifier(self.config, folder)

    @torch.inference_mode()
    def predict(self, x: npt.ArrayLike | Tensor | Sequence[npt.ArrayLike | Tensor]) -> Prediction:
        """Return class and probabilities of each sequence.

        x: raw features, laid out in time as the run's config says: an array (n, t, d), or a list
            of n arrays (t_i, d) of any lengths.

        Raises:
            DataError: another number of features than the run was trained on, an empty sequence,
                or a number that is not finite (unless the run fills missing ones).
        """
        parts = [torch.tensor(np.asarray(part), dtype=torch.float32) for part in x]  # type: ignore[union-attr]
        self._check_shapes(parts)
        # batches of similar length: little is padding, and no more than a batch is ever padded
        order = sorted(range(len(parts)), key=lambda row: len(parts[row]))
        size = self.config.data.eval_batch_size
        logits = torch.empty(len(parts), len(self.class_names))
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            logits[rows] = self._logits(_padded([parts[row] for row in rows], rows))
        labels = [self.class_names[index] for index in logits.argmax(dim=1).tolist()]
        return Prediction(labels, logits.softmax(dim=1).numpy(), self.class_names)

    def predict_file(self, path: Path) -> tuple[list[str], Prediction]:
        """Return the ids of the sequences of a file, and what they are, in the file's order.

        Raises:
            DataError: the file cannot be read as the training file was.
        """
        if self.reading is None:
            reading = Reading.untaught(
                class_names=self.class_names,
                feature_names=[str(feature) for feature in range(self.num_features)],
            )
            if path.suffix.lower() != ".npz":
                raise DataError(
                    f"{path}: this run was not trained on a file of named columns; it reads NPZ "
                    f"files with an array x, (n, t, {self.num_features})"
                )
        else:
            reading = Reading.from_plain(self.reading)
        recordings = reading.read(path, labelled=False)
        return list(recordings.ids), self.predict(recordings.values)

    def _logits(self, sequences: Sequences) -> Tensor:
        check_sequences(
            sequences,
            part_name="prediction",
            num_classes=len(self.class_names),
            missing_allowed=self.filling.mode != "refuse",
        )
        data = self.config.data
        if data.get("max_length") is not None:
            sequences = truncate(sequences, max_length=data.max_length, end=data.truncate)
        x = self.standardization(self.filling(sequences.x))
        if self.windows is not None:
            return self._votes(replace(sequences, x=x), self.windows)
        logits: Tensor = self.classifier(x, sequences.lengths)
        return logits

    def _votes(self, sequences: Sequences, windows: Windows) -> Tensor:
        """Return the logarithm of the mean probabilities over the windows of each sequence."""
        ids = torch.arange(len(sequences))
        cut = windows.cut(replace(sequences, ids=ids), background=None)
        size = self.config.data.eval_batch_size
        pieces = zip(torch.split(cut.x, size), torch.split(cut.lengths, size), strict=True)
        logits = torch.cat([self.classifier(x, lengths) for x, lengths in pieces])
        return vote(logits.softmax(dim=1), cut.ids)[1].log()

    def _check_shapes(self, parts: list[Tensor]) -> None:
        if not parts:
            raise DataError("there is no sequence to predict")
        for row, part in enumerate(parts):
            if part.ndim != 2 or part.shape[1] != self.num_features:
                raise DataError(
                    f"sequence {row} has shape {tuple(part.shape)}; the run reads sequences of "
                    f"shape (t, {self.num_features})"
                )


def _windows(config: DictConfig) -> Windows | None:
    """Return the windows of a run, or None where it reads whole sequences."""
    window = config.data.get("window")
    if window is None or window.size is None:
        return None
    return Windows(**{key: value for key, value in window.items() if key != "_target_"})


def _padded(parts: list[Tensor], rows: list[int]) -> Sequences:
    return Sequences(
        x=pad_sequence(parts, batch_first=True),
        lengths=torch.tensor([len(part) for part in parts]),
        y=torch.zeros(len(parts), dtype=torch.long),
        ids=torch.tensor(rows),
    )

"""Applies a trained run to new sequences."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from unrolled.building.ensemble import Ensemble
from unrolled.building.network import Network, trained_model
from unrolled.building.preparation import build_preparation
from unrolled.config.checks import check_config
from unrolled.contracts import Sequences
from unrolled.data.files.piece import OutOfOrderError, Piece
from unrolled.data.preparation import Fitted
from unrolled.data.sanity_checks import check_sequences
from unrolled.data.windows import average_windows
from unrolled.errors import DataError
from unrolled.prediction.long_sequences import (
    Incoming,
    LongSequence,
    batch_bounds,
    can_run_in_chunks,
    in_blocks,
    network_errors_as_data_errors,
)
from unrolled.runs import manifest
from unrolled.runs.preparations import distinct_preprocessing
from unrolled.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from unrolled.data.files.schema import Schema


@dataclass(frozen=True)
class Prediction:
    """Class names (n) and probabilities (n, c), a row per sequence; columns as in class_names."""

    labels: list[str]
    probabilities: npt.NDArray[np.float32]
    class_names: list[str]


class Predictor:
    """The trained network or ensemble of a run, with the preparation that was fitted for it.

    Each member of an ensemble reads the channels that were fitted for it. Everything else that was
    fitted is the same for all members, and `fitted` has it.

    folder: a run folder with a checkpoint, or with one in the folder of each member.
    """

    def __init__(self, folder: RunFolder) -> None:
        manifest.require_unchanged(folder)
        self.config = folder.config()
        check_config(self.config)
        preprocessing = folder.preprocessing()
        self.preparation = build_preparation(self.config)
        fitted = Fitted.from_plain(preprocessing)
        distinct, input_numbers = distinct_preprocessing(folder.networks)
        # new sequences have no labels
        self.fitted_inputs = [
            replace(Fitted.from_plain(values), background=None) for values in distinct
        ]
        self.fitted = self.fitted_inputs[0]
        self.class_names = fitted.class_names
        channels = fitted.channels
        self.num_features: int = (
            preprocessing["num_features"] if channels is None else channels.num_features
        )
        if fitted.filling.mode == "mask":
            self.num_features //= 2  # the network also reads a mask per feature
        models = [
            trained_model(part.config(), part.preprocessing(), part.best_state_dict())
            for part in folder.networks
        ]
        self.networks = [model for model in models if isinstance(model, Network)]
        self.ensemble = Ensemble(models, input_numbers=input_numbers).eval()
        self.runs_in_chunks = (
            not self.cuts_windows
            and all(fitted.channels is None for fitted in self.fitted_inputs)
            and len(self.networks) == len(models)
            and all(map(can_run_in_chunks, self.networks))
        )

    def predict(self, x: npt.ArrayLike | Tensor | Sequence[npt.ArrayLike | Tensor]) -> Prediction:
        """Return class and probabilities of each sequence.

        x: raw features, with the layout in time of the run's config: an array (n, t, d), or a list
            of n arrays (t_i, d) of any lengths.

        Raises:
            DataError: another number of features than the run was trained on, an empty sequence,
                or a number that is not finite (unless the run fills missing ones).
        """
        parts = [np.asarray(part, dtype=np.float32) for part in x]  # type: ignore[union-attr]
        self._check_shapes(parts)
        pieces = (Piece(str(row), part, begins=True) for row, part in enumerate(parts))
        return self._joined(self._predictions(pieces))[1]

    def predict_file(self, path: Path) -> tuple[list[str], Prediction]:
        """Return the ids of the sequences of a file, and what they are, in the file's order.

        Raises:
            DataError: the file cannot be read as the training file was.
        """
        try:
            return self._joined(self.predict_by_pieces(path))
        except OutOfOrderError:
            return self._joined(self.predict_by_pieces(path, whole=True))

    def predict_by_pieces(
        self, path: Path, *, whole: bool = False
    ) -> Iterator[tuple[list[str], Prediction]]:
        """Yield ids and predictions block by block, so that a file of any size can be read.

        whole: whether the file is read into memory first.

        Raises:
            DataError: the file cannot be read as the training file was.
            OutOfOrderError: the file must be read whole. Discard the blocks yielded so far.
        """
        # imported here because pandas takes longer to import than a network to load
        from unrolled.data.files.reader import read_recordings
        from unrolled.data.files.streaming import read_pieces, whole_pieces

        schema = self._schema_of(path)
        pieces = (
            whole_pieces(read_recordings(path, schema=schema, labelled=False))
            if whole or schema.resample is not None  # its last step is needed first
            else read_pieces(schema, path)
        )
        return self._predictions(pieces)

    def _schema_of(self, path: Path) -> "Schema":
        from unrolled.data.files.schema import Schema

        if self.fitted.schema is not None:
            return Schema.from_plain(self.fitted.schema)
        if path.suffix.lower() != ".npz":
            raise DataError(
                f"{path}: this run was not trained on a file of named columns; it reads NPZ "
                f"files with an array x, (n, t, {self.num_features})"
            )
        return Schema(
            class_names=tuple(self.class_names),
            feature_names=tuple(str(feature) for feature in range(self.num_features)),
        )

    def _predictions(self, pieces: Iterable[Piece]) -> Iterator[tuple[list[str], Prediction]]:
        """Yield ids and predictions in the order of the pieces."""
        for first_row, sequences in in_blocks(pieces, self._incoming):
            with torch.inference_mode():
                logits = self._logits(sequences, first_row=first_row)
            labels = [self.class_names[index] for index in logits.argmax(dim=1).tolist()]
            probabilities = logits.softmax(dim=1).numpy()
            names = [sequence.id for sequence in sequences]
            yield names, Prediction(labels, probabilities, self.class_names)

    def _incoming(self, name: str, row: int) -> Incoming:
        return Incoming(
            name,
            max_length=self.preparation.max_length,
            truncate=self.preparation.truncate,
            long=LongSequence(self.networks, self.fitted, name=f"sequence {row}")
            if self.runs_in_chunks
            else None,
        )

    def _logits(self, sequences: list[Incoming], *, first_row: int) -> Tensor:
        """Return logits, (n, c), of sequences that came after first_row others."""
        logits = torch.empty(len(sequences), len(self.class_names))
        short = []
        for row, sequence in enumerate(sequences):
            if sequence.is_long:
                logits[row] = sequence.logits()
            else:
                short.append(row)
        # batches of similar length: little is padding, and no more than a batch is ever padded
        short.sort(key=lambda row: sequences[row].num_steps)
        lengths = [sequences[row].num_steps for row in short]
        for start, end in batch_bounds(lengths, batch_size=self.config.data.eval_batch_size):
            rows = short[start:end]
            parts = [sequences[row].values() for row in rows]
            logits[rows] = self._logits_of_batch(_padded(parts, [first_row + row for row in rows]))
        return logits

    def _logits_of_batch(self, sequences: Sequences) -> Tensor:
        check_sequences(
            sequences,
            split="input",
            num_classes=len(self.class_names),
            missing_allowed=self.fitted.filling.mode != "refuse",
        )
        sequences = replace(sequences, ids=torch.arange(len(sequences)))
        inputs = [self.preparation.apply(sequences, fitted) for fitted in self.fitted_inputs]
        size = self.config.data.eval_batch_size
        batches = [
            zip(torch.split(part.x, size), torch.split(part.lengths, size), strict=True)
            for part in inputs
        ]
        with network_errors_as_data_errors():
            logits = torch.cat([self.ensemble(batch) for batch in zip(*batches, strict=True)])
        if not self.cuts_windows:
            return logits
        return average_windows(logits.softmax(dim=1), inputs[0].ids)[1].log()

    @property
    def cuts_windows(self) -> bool:
        """Whether the probabilities of windows are averaged for each sequence."""
        return self.preparation.window.size is not None

    def _joined(
        self, blocks: Iterable[tuple[list[str], Prediction]]
    ) -> tuple[list[str], Prediction]:
        names, labels, probabilities = [], [], []
        for block_names, block in blocks:
            names += block_names
            labels += block.labels
            probabilities.append(block.probabilities)
        return names, Prediction(labels, np.concatenate(probabilities), self.class_names)

    def _check_shapes(self, parts: list[npt.NDArray[np.float32]]) -> None:
        if not parts:
            raise DataError("there is no sequence to predict")
        for row, part in enumerate(parts):
            if part.ndim != 2 or part.shape[1] != self.num_features:
                raise DataError(
                    f"sequence {row} has shape {tuple(part.shape)}; the run reads sequences of "
                    f"shape (t, {self.num_features})"
                )
            if not len(part):
                raise DataError(f"sequence {row} has length 0; a sequence needs at least one step")


def _padded(parts: list[Tensor], rows: list[int]) -> Sequences:
    return Sequences(
        x=pad_sequence(parts, batch_first=True),
        lengths=torch.tensor([len(part) for part in parts]),
        y=torch.zeros(len(parts), dtype=torch.long),
        ids=torch.tensor(rows),
    )

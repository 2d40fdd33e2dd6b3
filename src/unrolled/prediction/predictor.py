"""Predictions of a trained run for arrays, DataFrames and files."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from unrolled.data.arrays.held import Given, given
from unrolled.data.files.piece import OutOfOrderError, Pieces, pieces_of_arrays
from unrolled.errors import ConfigError, DataError
from unrolled.prediction.answers import answer_rule
from unrolled.prediction.conformal import PredictionSets, fit_sets
from unrolled.prediction.long_sequences import Kept, in_blocks
from unrolled.prediction.range_check import RangeCheck
from unrolled.prediction.trained_run import Block, TrainedRun
from unrolled.prediction.word_check import WordCheck
from unrolled.runs.run_folder import RunFolder
from unrolled.streaming.stream import Stream

if TYPE_CHECKING:
    from unrolled.data.files.schema import Schema


@dataclass(frozen=True)
class Prediction:
    """Class names (n) and probabilities (n, c), a row per sequence; columns as in class_names.

    sets: classes in the prediction set of each sequence, (n,), or None without prediction sets.
    """

    labels: list[str]
    probabilities: npt.NDArray[np.float32]
    class_names: list[str]
    sets: list[list[str]] | None = None

    def columns(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the probabilities as columns of a table, called p_CLASS."""
        return {
            f"p_{name}": self.probabilities[:, number]
            for number, name in enumerate(self.class_names)
        }


class Predictor:
    """Classifies new sequences with the best weights of a run.

    Values far outside the training range are reported with a warning; see `Ranges.limits`.

    folder: a run folder with a checkpoint, or with one in the folder of each member.
    class_names: one per column of the probabilities.
    num_features: of a step, as the network reads it before its preparation.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.run = TrainedRun(folder)
        self.class_names = self.run.class_names
        self.num_features = self.run.num_features

    def use_threads_of_run(self) -> None:
        """Let torch compute with as many threads as in training, for the rest of this process.

        Their number can change the last digits. Without a call, torch starts one per core.
        """
        if self.run.config.num_threads is not None:
            torch.set_num_threads(self.run.config.num_threads)

    def predict(
        self,
        x: Any,
        *,
        abstain_below: float | None = None,
        threshold: float | None = None,
        positive: str | None = None,
        sets: PredictionSets | None = None,
    ) -> Prediction:
        """Return class and probabilities of each sequence.

        x: raw features, with the layout in time of the run's config: an array (n, t, d), or a list
            of n arrays (t_i, d) of any lengths. With one feature, (n, t) and (t_i,) too. Or a list
            of n DataFrames with a row per step, or one DataFrame with the columns of a file.
            Columns are found by name, as in a file:
            their order has no effect, and other columns are ignored. The rows of one DataFrame are
            sequences in the order in which their ids first occur.
        abstain_below: the label is ? if no class has a probability of at least this.
        threshold: of two classes, `positive` is the label if its probability is at least this.
        positive: name of a class; None for the second one.
        sets: what `fit_sets` returned, for the `sets` of the result.

        Raises:
            ConfigError: a choice of the label does not fit the classes of the run, or another one.
            DataError: another number of features than the run was trained on, a column that is
                missing, an empty sequence, or a number that is not finite (unless the run fills
                missing ones).
        """
        rule = answer_rule(
            self.class_names, abstain_below=abstain_below, threshold=threshold, positive=positive
        )
        if sets is not None and threshold is not None:
            raise ConfigError(f"threshold={threshold:g} sets=: leave one of them out")
        sequences = x if hasattr(x, "columns") else list(x)
        if hasattr(x, "columns") or any(hasattr(part, "columns") for part in sequences):
            from unrolled.data.files.frames import read_frames

            sequences = read_frames(sequences, self._schema())
        else:
            self._refuse_words()
        parts = [np.asarray(part, dtype=np.float64) for part in sequences]
        if self.run.num_features == 1:
            parts = [part[:, None] if part.ndim == 1 else part for part in parts]
        self._check_shapes(parts)
        watched = self._watched(pieces_of_arrays(parts), source="input", strict=False)
        found = self._joined(map(self.prediction, self.run.blocks(watched)))[1]
        return replace(
            found,
            labels=rule.labels(rule.classes(found.probabilities)),
            sets=None if sets is None else sets.names(found.probabilities, self.class_names),
        )

    def fit_sets(self, data: Any, *, coverage: float, lengths: Any = None) -> PredictionSets:
        """Return prediction sets that contain the class of a new sequence with a probability.

        Pass them to `predict`. docs/probabilities.md describes when the probability is guaranteed.

        data, lengths: labelled sequences in the forms of `unrolled.train`. They must have been used
            for nothing else: neither for training, nor to choose the best epoch or a setting.
        coverage: the probability, 0 < coverage < 1.

        Raises:
            ConfigError: the coverage is out of range.
            DataError: the sequences do not fit the run, or are too few for this coverage.
        """
        self._require_constant_labels()
        blocks = self.classify_given(given(data, name="data", lengths=lengths))
        return self.sets_from(blocks, coverage=coverage)

    def sets_from(self, blocks: Iterable[Block], *, coverage: float) -> PredictionSets:
        """Return prediction sets fitted on blocks with the true classes; see `fit_sets`."""
        parts = list(blocks)
        probabilities = np.concatenate([self.prediction(part)[1].probabilities for part in parts])
        y = np.concatenate([part.classes.numpy() for part in parts])
        return fit_sets(probabilities, y, coverage=coverage)

    def _require_constant_labels(self) -> None:
        if self.run.labels_may_change:
            raise DataError(
                "the label of the run's recordings changes within them, so that they have no class "
                "as a whole"
            )

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
        self, path: Path, *, whole: bool = False, strict: bool = False
    ) -> Iterator[tuple[list[str], Prediction]]:
        """Yield ids and predictions block by block, so that a file of any size can be read.

        whole: whether the file is read into memory first.
        strict: whether values far outside the training range are refused at the end.

        Raises:
            DataError: the file cannot be read as the training file was.
            OutOfOrderError: the file must be read whole. Discard the blocks yielded so far.
        """
        return map(self.prediction, self.blocks(path, labelled=False, whole=whole, strict=strict))

    def blocks(
        self, path: Path, *, labelled: bool, whole: bool = False, strict: bool = False
    ) -> Iterator[Block]:
        """Yield blocks with a row per sequence, in the file's order.

        labelled: whether the blocks have the true classes.
        whole, strict: see `predict_by_pieces`.

        Raises:
            DataError: as `predict_by_pieces`. Of labelled blocks, also if a label is missing, not a
                class of the run, or changes within a sequence.
            OutOfOrderError: as `predict_by_pieces`.
        """
        if labelled:
            self._require_constant_labels()
        pieces = self._pieces(path, labelled=labelled, whole=whole)
        if labelled:
            pieces = _with_classes(pieces, path)
        return self.run.blocks(self._watched(pieces, source=str(path), strict=strict))

    def predict_steps(
        self, path: Path, *, whole: bool = False, strict: bool = False
    ) -> Iterator[tuple[list[str], list[int], Prediction]]:
        """Yield ids, numbers of steps and predictions, block by block, a row per step.

        The prediction at a step is the one for the sequence up to this step. Steps count from 1.

        whole, strict: see `predict_by_pieces`.

        Raises:
            ConfigError: the run needs later steps; see `stream`.
            DataError: as `predict_by_pieces`.
            OutOfOrderError: as `predict_by_pieces`.
        """
        self.run.steps()  # refused before the file is read
        pieces = self._pieces(path, labelled=False, whole=whole)
        watched = self._watched(pieces, source=str(path), strict=strict)
        for held in in_blocks(watched, Kept()):
            assert held.short is not None
            lengths = held.short.lengths.tolist()
            ids = [
                name for name, length in zip(held.ids, lengths, strict=True) for _ in range(length)
            ]
            numbers = [number for length in lengths for number in range(1, length + 1)]
            found = self._by_step(held.short)
            labels = [self.class_names[index] for index in found.argmax(axis=1).tolist()]
            yield ids, numbers, Prediction(labels, found, self.class_names)

    def _by_step(self, sequences: Pieces) -> npt.NDArray[np.float32]:
        """Return the probabilities after each step, (sum of lengths, c), of whole sequences."""
        x, _ = sequences.padded(np.arange(len(sequences)))
        stream = self.stream(num_streams=len(x))
        found = np.stack([stream.step(x[:, number]) for number in range(x.shape[1])], axis=1)
        return found[np.arange(x.shape[1]) < sequences.lengths[:, None]]

    def classify_labelled(
        self, path: Path, *, whole: bool = False, strict: bool = False
    ) -> Iterator[Block]:
        """Yield blocks with the true classes of a labelled file.

        Windows are classified one by one if their class can change within a sequence.

        whole, strict: see `predict_by_pieces`.

        Raises:
            DataError: as `predict_by_pieces`. A label is missing, or not a class of the run.
            OutOfOrderError: as `predict_by_pieces`.
        """
        pieces = self._pieces(path, labelled=True, whole=whole)
        return self._labelled(pieces, source=str(path), strict=strict)

    def classify_given(self, given: Given, *, strict: bool = False) -> Iterator[Block]:
        """Yield blocks with the true classes of labelled arrays or a DataFrame.

        As in `predict`, features of arrays are found by position, columns of a DataFrame by name.

        strict: see `predict_by_pieces`.

        Raises:
            DataError: as `predict`. A label is missing, or not a class of the run.
        """
        from unrolled.data.arrays.source import read_given
        from unrolled.data.files.streaming import whole_pieces

        if hasattr(given.x, "columns") and given.y is None:
            schema = replace(self._schema(), group=None, split_column=None)
        else:
            self._refuse_words()
            schema = replace(self._schema_of_arrays(), missing=self.run.fitted.filling.mode)
        recordings = read_given(
            given, schema, name="data", labels_may_change=self.run.labels_may_change
        )[1]
        pieces = whole_pieces(recordings, schema, path=Path("data"))
        return self._labelled(pieces, source="data", strict=strict)

    def _labelled(self, pieces: Iterator[Pieces], *, source: str, strict: bool) -> Iterator[Block]:
        watched = self._watched(pieces, source=source, strict=strict)
        return self.run.blocks(watched, by_window=self.run.labels_may_change)

    def stream(self, num_streams: int | None = None) -> Stream:
        """Return a stream, which classifies after each step of sequences that are not over yet.

        num_streams: sequences that are read at once, or None for a single one.

        Raises:
            ConfigError: the run needs later steps. The message names what to train with instead.
        """
        return Stream(self.run.steps(), num_streams=num_streams)

    def _pieces(self, path: Path, *, labelled: bool, whole: bool) -> Iterator[Pieces]:
        # imported here because pandas takes longer to import than a network to load
        from unrolled.data.files.reader import read_recordings
        from unrolled.data.files.streaming import pieces_of, whole_pieces

        schema = self._schema(path)
        may_change = labelled and self.run.labels_may_change
        if not whole and schema.resample is None:  # its last step is needed first
            return pieces_of(schema, path, labelled=labelled, labels_may_change=may_change)
        recordings = read_recordings(
            path, schema=schema, labelled=labelled, labels_may_change=may_change
        )
        return whole_pieces(recordings, schema, path=path)

    def _schema(self, path: Path | None = None) -> "Schema":
        from unrolled.data.files.schema import Schema

        if self.run.fitted.schema is not None:
            return Schema.from_plain(self.run.fitted.schema)
        if path is not None and path.suffix.lower() != ".npz":
            raise DataError(
                f"{path}: this run was not trained on a file of named columns; it reads NPZ "
                f"files with an array x, (n, t, {self.run.num_features})"
            )
        return self._schema_of_arrays()

    def _schema_of_arrays(self) -> "Schema":
        from unrolled.data.files.schema import Schema

        return Schema(
            class_names=tuple(self.class_names),
            feature_names=tuple(str(feature) for feature in range(self.run.num_features)),
        )

    def _refuse_words(self) -> None:
        if self.run.words:
            raise DataError(
                f"the run reads the words of {', '.join(map(repr, self.run.words))}, which an "
                f"array does not have; pass DataFrames with the columns of the training file"
            )

    def _watched(self, pieces: Iterator[Pieces], *, source: str, strict: bool) -> Iterator[Pieces]:
        """Yield the pieces and check their words and the range of their numbers.

        A run without the ranges of its training set has only its words checked.
        """
        fitted, words = self.run.fitted, self.run.words
        num_features = self.run.num_features - len(words)
        if words:
            pieces = WordCheck(words, source=source).watch(pieces)
        if fitted.ranges is None:
            return pieces
        names = [] if fitted.schema is None else fitted.schema["feature_names"]
        names = names[: len(names) - len(words)]
        if len(names) != num_features:  # a layout has other features than the file
            names = [str(feature) for feature in range(num_features)]
        return RangeCheck(fitted.ranges, names, source=source).watch(pieces, strict=strict)

    def prediction(self, block: Block) -> tuple[list[str], Prediction]:
        """Return the ids of a block, and their classes and probabilities."""
        labels = [self.class_names[index] for index in block.logits.argmax(dim=1).tolist()]
        probabilities = block.logits.softmax(dim=1).numpy()
        return block.ids, Prediction(labels, probabilities, self.class_names)

    def _joined(
        self, blocks: Iterable[tuple[list[str], Prediction]]
    ) -> tuple[list[str], Prediction]:
        names, labels, probabilities = [], [], []
        for block_names, block in blocks:
            names += block_names
            labels += block.labels
            probabilities.append(block.probabilities)
        return names, Prediction(labels, np.concatenate(probabilities), self.class_names)

    def _check_shapes(self, parts: list[npt.NDArray[np.float64]]) -> None:
        if not parts:
            raise DataError("there is no sequence to predict")
        for row, part in enumerate(parts):
            if part.ndim != 2 or part.shape[1] != self.run.num_features:
                raise DataError(
                    f"sequence {row} has shape {tuple(part.shape)}; the run reads sequences of "
                    f"shape (t, {self.run.num_features})"
                )
            if not len(part):
                raise DataError(f"sequence {row} has length 0; a sequence needs at least one step")


def _with_classes(parts: Iterator[Pieces], path: Path) -> Iterator[Pieces]:
    """Yield the pieces; raise DataError if they have no classes."""
    for part in parts:
        if part.classes is None:
            raise DataError(f"{path}: there are no labels")
        yield part

"""Classifies the validation or test set of a trained run once more, for its report."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from unrolled.building.data import build_data
from unrolled.contracts import Sequences
from unrolled.data.files.paths import make_absolute, require_data_paths
from unrolled.data.fitted import Fitted
from unrolled.data.module import SequenceDataModule
from unrolled.errors import DataError
from unrolled.prediction.trained_run import TrainedRun
from unrolled.runs.run_folder import RunFolder


@dataclass(frozen=True)
class Mistake:
    """A sequence or window that is classified wrongly.

    values: of the features, in their own units, (t, d).
    feature_names: (d,).
    label, predicted: numbers of classes.
    probability: of the true class.
    confidence: probability of the predicted class.
    """

    name: str
    values: npt.NDArray[np.float64]
    feature_names: list[str]
    label: int
    predicted: int
    probability: float
    confidence: float


@dataclass(frozen=True)
class HeldOut:
    """Predictions for sequences that the network was not trained on.

    probabilities: of the classes, (n, c).
    labels: numbers of the true classes, (n,).
    lengths: steps of each sequence, (n,).
    mistakes: the ones with the smallest probability of the true class.
    class_counts: sequences of each class by split, (c,).
    """

    probabilities: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    mistakes: list[Mistake]
    class_counts: dict[str, list[int]]

    @property
    def is_right(self) -> npt.NDArray[np.bool_]:
        """Whether each sequence is classified correctly, (n,)."""
        return np.asarray(self.probabilities.argmax(axis=1) == self.labels)


def classify_held_out(folder: RunFolder, *, split: str, num_mistakes: int) -> HeldOut:
    """Return the predictions of a run for its test or validation set.

    The folds of a cross-validation are classified one after the other, each by its own model.

    split: test or val.

    Raises:
        UnrolledError: the data or a checkpoint is missing, or is not the one of the run.
    """
    parts = [
        _classify(part, split=split, num_mistakes=num_mistakes) for part in folder.folds or [folder]
    ]
    mistakes = sorted(
        (mistake for part in parts for mistake in part.mistakes), key=lambda one: one.probability
    )
    return HeldOut(
        probabilities=np.concatenate([part.probabilities for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        lengths=np.concatenate([part.lengths for part in parts]),
        mistakes=mistakes[:num_mistakes],
        class_counts=parts[0].class_counts if len(parts) == 1 else {},
    )


def _classify(folder: RunFolder, *, split: str, num_mistakes: int) -> HeldOut:
    run = TrainedRun(folder)
    data = [data_of_run(folder, fitted) for fitted in run.fitted_inputs]
    result = folder.result()
    if result is not None and result.data_fingerprint not in (None, data[0].fingerprint):
        raise DataError("the data has changed since the run")
    prepared = [_part(one, split) for one in data]
    with torch.inference_mode():
        logits = run.logits(prepared)
    probabilities = logits.double().softmax(dim=1)
    part = prepared[0]
    of_label = probabilities.gather(1, part.y[:, None]).squeeze(1)
    wrong = (probabilities.argmax(dim=1) != part.y).nonzero().flatten()
    worst = wrong[of_label[wrong].argsort()][:num_mistakes]
    return HeldOut(
        probabilities=probabilities.numpy(),
        labels=part.y.numpy(),
        lengths=part.lengths.numpy(),
        mistakes=_mistakes(data[0], split=split, rows=worst.tolist(), probabilities=probabilities),
        class_counts={
            name: torch.bincount(some.y, minlength=data[0].num_classes).tolist()
            for name, some in (
                ("train", data[0].parts.train),
                ("val", data[0].parts.val),
                ("test", data[0].parts.test),
            )
            if some is not None
        },
    )


def data_of_run(folder: RunFolder, fitted: Fitted) -> SequenceDataModule:
    """Return the data of a run, prepared with the values that were fitted for it.

    Raises:
        UnrolledError: the data is missing or damaged.
    """
    config = folder.config()
    make_absolute(config.data, started_in=folder.started_in)
    require_data_paths(config.data)
    data = build_data(config)
    data.fitted = fitted
    data.prepare_data()
    data.setup()
    return data


def _part(data: SequenceDataModule, split: str) -> Sequences:
    part = data.parts.test if split == "test" else data.parts.val
    if part is None:
        raise DataError(f"the data has no {split} set")
    return part


def _mistakes(
    data: SequenceDataModule, *, split: str, rows: Sequence[int], probabilities: torch.Tensor
) -> list[Mistake]:
    plain = data.parts_without_channels()
    part = plain.test if split == "test" else plain.val
    fitted = data.fitted
    assert part is not None
    assert fitted is not None
    standardization, num_codes = fitted.standardization, len(fitted.num_words)
    num_numbers = part.x.shape[2] - num_codes
    if fitted.filling.mode == "mask":
        num_numbers //= 2  # the other half are masks
    schema_names = [] if fitted.schema is None else list(fitted.schema["feature_names"])
    names = list(map(str, schema_names))
    if data.preparation.layout != "rows" or len(names) != num_numbers + num_codes:
        names = [f"feature {number}" for number in range(num_numbers + num_codes)]
    found = []
    for row in rows:
        x = part.x[row, : part.lengths[row]].double()
        x = x * standardization.scale + standardization.mean
        shown = torch.cat([x[:, :num_numbers], x[:, x.shape[1] - num_codes :]], dim=1)
        name = int(part.ids[row])
        has_name = data.names is not None and name < len(data.names)
        label, predicted = int(part.y[row]), int(probabilities[row].argmax())
        found.append(
            Mistake(
                name=data.names[name] if has_name and data.names is not None else str(name),
                values=shown.numpy(),
                feature_names=names,
                label=label,
                predicted=predicted,
                probability=float(probabilities[row, label]),
                confidence=float(probabilities[row, predicted]),
            )
        )
    return found

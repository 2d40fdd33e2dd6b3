"""Checks before the first step: data on which a run cannot be trained is refused."""

import torch
from torch import Tensor

from unrolled.contracts import Sequences, SourceData, real_steps
from unrolled.errors import DataError

LARGEST = torch.finfo(torch.float32).max  # the network reads float32
# How messages name a set.
SPLIT_NAMES = {"train": "training set", "val": "validation set", "test": "test set"}


def check_source(data: SourceData) -> None:
    """Refuse data on which a run cannot be trained.

    Raises:
        DataError: the message names set, row and column.
    """
    for name, part in data.parts().items():
        check_sequences(
            part,
            split=SPLIT_NAMES[name],
            num_classes=len(data.class_names),
            missing_allowed=data.missing != "refuse",
        )
        if part.x.shape[2] != data.train.x.shape[2]:
            raise DataError(
                f"the {SPLIT_NAMES[name]} has {part.x.shape[2]} features per step, "
                f"the training set {data.train.x.shape[2]}"
            )


def check_sequences(
    sequences: Sequences, *, split: str, num_classes: int, missing_allowed: bool = False
) -> None:
    """Refuse a set that is empty, or has wrong lengths, wrong labels or numbers that float32 lacks.

    split: name of the set in messages, such as "training set".
    missing_allowed: whether a real step may have NaN, a missing value. Infinity is never allowed.

    Raises:
        DataError: the message names the set, the first wrong row, step and feature, and the number.
    """
    if len(sequences) == 0:
        raise DataError(f"the {split} is empty")
    num_steps = sequences.x.shape[1]
    rule = f"a length must be 1 to {num_steps}, the padded number of steps"
    wrong = (sequences.lengths < 1) | (sequences.lengths > num_steps)
    _refuse(wrong, sequences.lengths, sequences.ids, split=split, rule=rule)
    rule = f"a label must be 0 to {num_classes - 1} ({num_classes} classes)"
    wrong = (sequences.y < 0) | (sequences.y >= num_classes)
    _refuse(wrong, sequences.y, sequences.ids, split=split, rule=rule)
    low, high = sequences.x.aminmax()
    if low >= -LARGEST and high <= LARGEST:  # neither is NaN
        return
    real = real_steps(sequences.lengths, num_steps)  # (n, t)
    wrong = ~(sequences.x.abs() <= LARGEST) & real[:, :, None]
    if missing_allowed:
        wrong &= ~sequences.x.isnan()
    if not bool(wrong.any()):
        return
    row, step, feature = wrong.nonzero()[0].tolist()
    raise DataError(
        f"{split}, row {int(sequences.ids[row])}, step {step}, feature {feature}: "
        f"{sequences.x[row, step, feature].item()} is not a finite number "
        f"({int(wrong.sum())} such values in {int(wrong.any(2).any(1).sum())} sequences)"
    )


def _refuse(wrong: Tensor, values: Tensor, ids: Tensor, *, split: str, rule: str) -> None:
    if bool(wrong.any()):
        row = int(wrong.nonzero()[0])
        raise DataError(
            f"{split}, row {int(ids[row])}: {int(values[row])}; {rule} "
            f"({int(wrong.sum())} rows are wrong)"
        )

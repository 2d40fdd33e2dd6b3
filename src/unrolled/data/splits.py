"""Which sequences are held out. A split has a seed of its own: another run, the same split."""

import numpy as np
import torch
from jaxtyping import Int
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split
from torch import Tensor

from unrolled.errors import ConfigError, DataError

SPLITS = ("stratified", "random")


def hold_out(
    y: Int[Tensor, " n"], *, size: float, split: str, seed: int
) -> tuple[Int[Tensor, " kept"], Int[Tensor, " held"]]:
    """Return the rows to keep and the rows to hold out.

    size: sequences to hold out (>= 1) or their fraction (0 < size < 1).
    split: stratified (each class keeps its share) or random (the last ones of a seeded shuffle).
    seed: of the split, >= 0.

    Raises:
        ConfigError: an unknown split.
        DataError: nothing would be left, or a class is too small to be stratified.
    """
    num_held = size if size >= 1 else round(size * len(y))
    num_held = max(int(num_held), 1)
    if num_held >= len(y):
        raise DataError(f"cannot hold out {num_held} of {len(y)} sequences: none would be left")
    if split == "random":
        order = torch.from_numpy(np.random.default_rng(seed).permutation(len(y)))
        return order[:-num_held], order[-num_held:]
    if split != "stratified":
        raise ConfigError(f"data.split={split!r}: need one of {', '.join(SPLITS)}")
    try:
        kept, held = train_test_split(
            np.arange(len(y)), test_size=num_held, stratify=y.numpy(), random_state=seed
        )
    except ValueError as error:
        raise DataError(
            f"cannot hold out {num_held} of {len(y)} sequences in proportion to the classes "
            f"({error}); use data.split=random or another data.val_size"
        ) from error
    return torch.from_numpy(kept), torch.from_numpy(held)


def fold_out(
    y: Int[Tensor, " n"], *, fold: int, num_folds: int, split: str, seed: int
) -> tuple[Int[Tensor, " kept"], Int[Tensor, " held"]]:
    """Return the rows to keep and those of one fold; over all folds each row is held out once.

    fold: 0 <= fold < num_folds.
    split, seed: as for `hold_out`.

    Raises:
        ConfigError: an unknown split.
        DataError: fewer sequences than folds, or a class is too small to be stratified.
    """
    kinds = {"stratified": StratifiedKFold, "random": KFold}
    if split not in kinds:
        raise ConfigError(f"data.split={split!r}: folds need one of {', '.join(kinds)}")
    num_least = (
        min(np.unique(y.numpy(), return_counts=True)[1]) if split == "stratified" else len(y)
    )
    if num_least < num_folds:
        whose = "in the smallest class" if split == "stratified" else "in all"
        raise DataError(
            f"data.num_folds={num_folds}: there are {num_least} sequences {whose}; "
            "use fewer folds, or data.split=random"
        )
    folds = kinds[split](n_splits=num_folds, shuffle=True, random_state=seed)
    kept, held = list(folds.split(np.zeros(len(y)), y.numpy()))[fold]
    return torch.from_numpy(kept), torch.from_numpy(held)

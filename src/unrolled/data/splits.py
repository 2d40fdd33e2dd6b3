"""Selects the sequences to hold out. The seed of a split is independent of the seed of the run."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from unrolled.config.choices import SPLITS
from unrolled.errors import ConfigError, DataError

NO_GROUPS = "data.split=group needs the column of the groups: data.group=COLUMN"


def hold_out(
    y: Int[Tensor, " n"],
    *,
    size: float,
    split: str,
    seed: int,
    groups: Int[Tensor, " n"] | None = None,
    starts: Float[Tensor, " n"] | None = None,
) -> tuple[Int[Tensor, " kept"], Int[Tensor, " held"]]:
    """Return the rows to keep and the rows to hold out.

    size: sequences to hold out (>= 1) or their fraction (0 < size < 1).
    split: stratified (each class keeps its share), random (the last ones of a seeded shuffle),
        group (whole groups in a seeded order, until there are enough) or time (the sequences that
        start last). `given` raises, because nothing is held out that the data does not provide.
    seed: seed of the split, >= 0.
    groups, starts: group and start of each sequence; needed by split=group and split=time.

    Raises:
        ConfigError: an unknown split, or one for which the data has no groups or times.
        DataError: nothing would be left, or a class is too small to be stratified.
    """
    if groups is not None and split in ("stratified", "random"):
        split = "group"  # a group never is in two sets
    if split == "given":
        raise ConfigError(
            "data.split=given: the data does not provide this set; name it with "
            "data.split_column=COLUMN, data.val_path or data.test_path, do without it "
            "(data.val_size=0, data.test_size=0), "
            "or let data.split=stratified hold it out"
        )
    num_held = size if size >= 1 else round(size * len(y))
    num_held = max(int(num_held), 1)
    if num_held >= len(y):
        raise DataError(f"cannot hold out {num_held} of {len(y)} sequences: none would be left")
    if split == "random":
        order = torch.from_numpy(np.random.default_rng(seed).permutation(len(y)))
        return order[:-num_held], order[-num_held:]
    if split == "group":
        return _hold_out_groups(groups, num_held=num_held, seed=seed)
    if split == "time":
        if starts is None:
            raise ConfigError("data.split=time needs the times of the steps: data.time=COLUMN")
        order = starts.argsort(stable=True)
        return order[:-num_held], order[-num_held:]
    if split != "stratified":
        raise ConfigError(f"data.split={split!r}: need one of {', '.join(SPLITS)}")
    from sklearn.model_selection import train_test_split  # late: prediction does without

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
    y: Int[Tensor, " n"],
    *,
    fold: int,
    num_folds: int,
    split: str,
    seed: int,
    groups: Int[Tensor, " n"] | None = None,
) -> tuple[Int[Tensor, " kept"], Int[Tensor, " held"]]:
    """Return the rows to keep and the rows of one fold. Each row is in exactly one fold.

    fold: 0 <= fold < num_folds.
    split: stratified, random or group.
    seed: seed of the split, >= 0.
    groups: group of each sequence; needed by split=group.

    Raises:
        ConfigError: another split, or the data has no groups.
        DataError: fewer sequences or groups than folds, or a class is too small to be stratified.
    """
    from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

    if groups is not None and split in ("stratified", "random"):
        split = "group"
    kinds = {"stratified": StratifiedKFold, "random": KFold, "group": GroupKFold}
    if split not in kinds:
        raise ConfigError(f"data.split={split!r}: folds need one of {', '.join(kinds)}")
    if split == "group" and groups is None:
        raise ConfigError(NO_GROUPS)
    match split:
        case "stratified":
            counts = np.unique(y.numpy(), return_counts=True)[1]
            num_least, whose = min(counts), "sequences in the smallest class"
        case "group":
            assert groups is not None
            num_least, whose = len(np.unique(groups.numpy())), "groups"
        case _:
            num_least, whose = len(y), "sequences in all"
    if num_least < num_folds:
        raise DataError(
            f"data.num_folds={num_folds}: there are {num_least} {whose}; "
            "use fewer folds, or data.split=random"
        )
    folds = kinds[split](n_splits=num_folds, shuffle=True, random_state=seed)
    together = groups if split == "group" else None
    kept, held = list(folds.split(np.zeros(len(y)), y.numpy(), together))[fold]
    return torch.from_numpy(kept), torch.from_numpy(held)


def _hold_out_groups(
    groups: Int[Tensor, " n"] | None, *, num_held: int, seed: int
) -> tuple[Int[Tensor, " kept"], Int[Tensor, " held"]]:
    if groups is None:
        raise ConfigError(NO_GROUPS)
    numbers, inverse, sizes = (
        torch.from_numpy(part)
        for part in np.unique(groups.numpy(), return_inverse=True, return_counts=True)
    )
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(numbers)))
    num_groups = int((sizes[order].cumsum(0) < num_held).sum()) + 1
    if num_groups >= len(numbers):
        raise DataError(
            f"cannot hold out {num_held} of {len(groups)} sequences in whole groups: there are "
            f"{len(numbers)} groups, and none would be left; use a smaller data.val_size"
        )
    held = torch.isin(inverse, order[:num_groups])
    return (~held).nonzero().flatten(), held.nonzero().flatten()

"""Selects the sequences to hold out. The seed of a split is independent of the seed of the run."""

import logging

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from unrolled.config.choices import SPLITS
from unrolled.data.stratified import draw_stratified
from unrolled.errors import ConfigError, DataError

log = logging.getLogger(__name__)

FOLD_SPLITS = ("stratified", "random", "group")  # that folds can have
NO_GROUPS = "data.split=group needs the column of the groups: data.group=COLUMN"


def hold_out(
    y: Int[Tensor, " n"],
    *,
    size: float,
    split: str,
    seed: int,
    groups: Int[Tensor, " n"] | None = None,
    spans: Float[Tensor, "n 2"] | None = None,
) -> tuple[Int[Tensor, " kept"], Int[Tensor, " held"]]:
    """Return the rows to keep and the rows to hold out.

    size: sequences to hold out (>= 1) or their fraction (0 < size < 1).
    split: stratified (each class keeps its share), random (the last ones of a seeded shuffle),
        group (whole groups in a seeded order, until there are enough) or time (the sequences that
        start last; earlier ones that overlap them in time, or share a group with them, are neither
        kept nor held out). `given` raises, because nothing is held out that the data does not
        provide.
    seed: seed of the split, >= 0.
    groups: group of each sequence; needed by split=group.
    spans: times of the first and the last step; needed by split=time.

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
        if spans is None:
            raise ConfigError("data.split=time needs the times of the steps: data.time=COLUMN")
        order = spans[:, 0].argsort(stable=True)
        earlier, held = order[:-num_held], order[-num_held:]
        return _apart(earlier, held, spans=spans, groups=groups), held
    if split != "stratified":
        raise ConfigError(f"data.split={split!r}: need one of {', '.join(SPLITS)}")
    try:
        rows = draw_stratified(y.numpy(), num_held=num_held, seed=seed)
    except ValueError as error:
        counts = np.unique(y.numpy(), return_counts=True)[1]
        raise DataError(
            f"cannot hold out {num_held} of {len(y)} sequences in proportion to the classes "
            f"(there are {len(counts)} classes, and the smallest has {min(counts)}; both sets need "
            f"each class); use data.split=random, {_remedy(int(min(counts)))}"
        ) from error
    return torch.from_numpy(rows[0]), torch.from_numpy(rows[1])


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
    kinds = dict(zip(FOLD_SPLITS, (StratifiedKFold, KFold, GroupKFold), strict=True))
    if split not in kinds:
        raise ConfigError(f"data.split={split!r}: folds need one of {', '.join(kinds)}")
    if split == "group" and groups is None:
        raise ConfigError(NO_GROUPS)
    num_least = largest_num_folds(y, split=split, groups=groups)
    match split:
        case "stratified":
            remedy = "data.split=random"
            if num_least < 2:
                remedy += f", {_remedy(num_least)}"
        case "group":
            remedy = "another data.split"
        case _:
            remedy = "data.test_fold=null data.fold=null"
    if num_least < num_folds:
        plural = "" if num_least == 1 else "s"
        found = {
            "stratified": f", but only {num_least} sequence{plural} in the smallest class",
            "group": f" in {num_least} group{plural}",
            "random": " in all",
        }[split]
        fewer = f"data.num_folds={num_least} or " if num_least > 1 else ""
        raise DataError(
            f"data.num_folds={num_folds} data.split={split}: there are {len(y)} sequences{found}; "
            f"use {fewer}{remedy}"
        )
    folds = kinds[split](n_splits=num_folds, shuffle=True, random_state=seed)
    together = groups if split == "group" else None
    kept, held = list(folds.split(np.zeros(len(y)), y.numpy(), together))[fold]
    return torch.from_numpy(kept), torch.from_numpy(held)


def largest_num_folds(y: Int[Tensor, " n"], *, split: str, groups: Int[Tensor, " n"] | None) -> int:
    """Return how many folds there can be: sequences of the smallest class, groups or sequences."""
    if groups is not None:
        return len(torch.unique(groups))
    if split == "stratified":
        return int(torch.unique(y, return_counts=True)[1].min())
    return len(y)


def _remedy(num_least: int) -> str:
    """Return what to type if the smallest class has num_least sequences, which are too few."""
    if num_least < 2:
        return (
            "which leaves a class with one sequence out of one of the sets, or train on all "
            "sequences and test on none with data.val_size=0 data.test_size=0"
        )
    num_folds = min(num_least, 5)
    return f"or test on each sequence once with data.test_fold=all data.num_folds={num_folds}"


def _apart(
    earlier: Int[Tensor, " m"],
    held: Int[Tensor, " held"],
    *,
    spans: Float[Tensor, "n 2"],
    groups: Int[Tensor, " n"] | None,
) -> Int[Tensor, " kept"]:
    """Return the earlier rows that end before the held-out ones start, and share no group."""
    shared = spans[earlier, 1] >= spans[held, 0].min()
    if groups is not None:
        shared |= torch.isin(groups[earlier], groups[held])
    what = "overlap the held-out ones in time" + (" or share a group" if groups is not None else "")
    if bool(shared.all()):
        raise DataError(
            f"data.split=time: all of the {len(earlier)} earlier sequences {what}, so none would "
            f"be left; does data.time begin again in each sequence? Use data.split=stratified"
        )
    if bool(shared.any()):
        log.warning(
            "data.split=time: %d of the %d earlier sequences %s; they are in no set",
            int(shared.sum()),
            len(earlier),
            what,
        )
    return earlier[~shared]


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

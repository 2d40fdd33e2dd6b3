"""Reads NPZ and NPY files, some sequences at a time.

The arrays of a file:

x: (n, t, d) or (n, t), or (steps, d) for all sequences concatenated, with lengths.
lengths: (n,), whole numbers >= 1. Without it, a sequence ends before the steps at its end in which
    all features are NaN, which is how tslearn, aeon and sktime pad.
y: labels, (n,), whole numbers or words.
ids, feature_names: names, (n,) and (d,). Optional.

An NPY file holds x only. No array is unpickled.
"""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unrolled.data.files.npz_arrays import Read, Values, drain, npz_errors, open_array, read_array
from unrolled.data.files.npz_names import NPZ_REMEDY, Arrays, Names, lengths_in, names_in
from unrolled.data.files.opening import format_of
from unrolled.data.files.recordings import has_nan
from unrolled.data.files.tabular import shown
from unrolled.errors import DataError

NUM_VALUES = 2**15  # read at once; they fit the cache


@dataclass(frozen=True)
class ArrayPart:
    """Consecutive sequences of a file, or consecutive steps of one.

    names: of the whole file.
    first_row: row of the first of these sequences.
    steps: of all these sequences, one after the other, (sum of lengths, d).
    lengths: number of these steps of each sequence, (k,).
    first_step: position of the first of these steps in its sequence.
    """

    names: Names
    first_row: int
    steps: Values
    lengths: npt.NDArray[np.int64]
    first_step: int


def array_parts(path: Path, *, labelled: bool) -> Iterator[ArrayPart]:
    """Yield the sequences of an NPZ or NPY file in order.

    labelled: whether y is needed.

    Raises:
        DataError: the file is missing or damaged, an array is missing, or shapes do not match.
    """
    with npz_errors(path):
        if format_of(path) == "npy":
            if labelled:
                raise DataError(
                    f"{path} holds a single array, without labels; "
                    f"{NPZ_REMEDY}. `predict` reads .npy files"
                )
            with path.open("rb") as file:
                yield from _parts(path, file, {}, labelled=False)
            return
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            if "x" not in names:
                raise DataError(
                    f"{path} has no array 'x', only {shown(sorted(names))}; {NPZ_REMEDY}"
                )
            wanted = ("lengths", "ids", "feature_names", *(("y",) if labelled else ()))
            small = {name: read_array(path, archive, name) for name in wanted if name in names}
            with archive.open("x.npy") as file:
                yield from _parts(path, file, small, labelled=labelled)
            for name in archive.namelist():
                if name.removesuffix(".npy") not in ("x", *wanted):
                    with archive.open(name) as file:
                        drain(file)


def _parts(path: Path, file: Any, small: Arrays, *, labelled: bool) -> Iterator[ArrayPart]:
    shape, dtype, read = open_array(path, file)
    if dtype.kind not in "fiub":
        raise DataError(f"{path}: the array x has the type {dtype}, need numbers")
    lengths = lengths_in(path, small)
    is_flat = lengths is not None and len(shape) == 2 and shape[0] != len(lengths)
    _require_shape(path, shape, lengths, is_flat=is_flat)
    num_steps = shape[0] if is_flat else shape[1]
    num_features = shape[-1] if len(shape) == 3 or is_flat else 1
    names = names_in(
        path,
        small,
        num_sequences=shape[0] if lengths is None else len(lengths),
        num_features=num_features,
        labelled=labelled,
    )
    if is_flat or (lengths is not None and num_steps * num_features > NUM_VALUES):
        assert lengths is not None
        padded_to = None if is_flat else num_steps
        parts = _one_by_one(path, read, names, lengths, padded_to=padded_to)
    else:
        parts = _some_at_a_time(path, read, names, lengths, num_steps=num_steps)
    yield from parts
    drain(file)


def _some_at_a_time(
    path: Path,
    read: Read,
    names: Names,
    lengths: npt.NDArray[np.int64] | None,
    *,
    num_steps: int,
) -> Iterator[ArrayPart]:
    """Yield whole sequences that are padded to num_steps."""
    num_features = len(names.features)
    at_once = max(1, NUM_VALUES // (num_steps * num_features))
    for start in range(0, len(names.ids), at_once):
        num = min(at_once, len(names.ids) - start)
        x = read(num * num_steps * num_features).reshape(num, num_steps, num_features)
        cut = _without_padding(path, x, start) if lengths is None else lengths[start : start + num]
        _refuse_infinite(path, x, row=start, first_step=0)
        if cut is None:
            cut = np.full(num, num_steps)
            steps = x.reshape(-1, num_features)
        else:
            steps = x[np.arange(num_steps) < cut[:, None]]
        yield ArrayPart(names, start, steps, cut, first_step=0)


def _one_by_one(
    path: Path,
    read: Read,
    names: Names,
    lengths: npt.NDArray[np.int64],
    *,
    padded_to: int | None,
) -> Iterator[ArrayPart]:
    """Yield the steps of one sequence after the other.

    padded_to: steps of every sequence in the file, or None for concatenated sequences.
    """
    num_features = len(names.features)
    at_once = max(1, NUM_VALUES // num_features)
    for row, length in enumerate(lengths.tolist()):
        for step in range(0, length, at_once):
            num = min(at_once, length - step)
            x = read(num * num_features).reshape(1, num, num_features)
            _refuse_infinite(path, x, row=row, first_step=step)
            yield ArrayPart(names, row, x[0], np.array([num]), first_step=step)
        for _ in range(0 if padded_to is None else padded_to - length):
            read(num_features)


def _without_padding(path: Path, x: Values, first_row: int) -> npt.NDArray[np.intp] | None:
    """Return the steps of each sequence before those of NaN at its end, or None for all.

    x: (k, t, d).
    """
    if not has_nan(x):
        return None
    there = np.asarray(~np.isnan(x).all(axis=2))  # (k, t)
    empty = ~np.asarray(there.any(axis=1))
    if empty.any():
        raise DataError(
            f"{path}, row {first_row + int(empty.argmax())}: the sequence has no values, only NaN"
        )
    lengths: npt.NDArray[np.intp] = x.shape[1] - there[:, ::-1].argmax(axis=1)
    return lengths


def _require_shape(
    path: Path, shape: tuple[int, ...], lengths: npt.NDArray[np.int64] | None, *, is_flat: bool
) -> None:
    if is_flat:
        assert lengths is not None
        if shape[0] != lengths.sum():
            raise DataError(
                f"{path}: x has {shape[0]} rows; need as many rows as lengths ({len(lengths)}), or "
                f"as their sum ({lengths.sum()})"
            )
        return
    if len(shape) not in (2, 3) or 0 in shape:
        raise DataError(f"{path}: x has the shape {shape}, need (n, t, d) or (n, t); {NPZ_REMEDY}")
    if lengths is not None and (len(lengths) != shape[0] or lengths.max() > shape[1]):
        raise DataError(
            f"{path}: {len(lengths)} lengths up to {lengths.max()} do not fit x, which has "
            f"{shape[0]} sequences of {shape[1]} steps"
        )


def _refuse_infinite(path: Path, values: Values, *, row: int, first_step: int) -> None:
    """Check that the steps of sequences, (k, t, d), are finite or NaN.

    row: of the first sequence.
    first_step: position of the first of these steps in its sequence.
    """
    if not np.isfinite(values.min()) or not np.isfinite(values.max()):
        wrong = np.argwhere(np.isinf(values))
        if len(wrong):
            sequence, step, feature = wrong[0]
            raise DataError(
                f"{path}, row {row + sequence}, step {first_step + step}, feature {feature}: the "
                f"number is infinite or too large for float32"
            )

"""The functions of one compiled source, called through ctypes."""

import ctypes
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor


def _fields(*, pointers: str, integers: str, numbers: str = "") -> list[tuple[str, Any]]:
    by_type = (ctypes.c_void_p, pointers), (ctypes.c_int64, integers), (ctypes.c_double, numbers)
    return [(name, kind) for kind, names in by_type for name in names.split()]


class Loop(ctypes.Structure):
    """The arguments of all functions in `cells.cpp` and `lem_slstm.cpp`; see `loops.h`."""

    _fields_: ClassVar = _fields(
        pointers="x w u b c hs cs saved grad d_gates dh dc lengths",
        integers="T B d h grad_step grad_row is_relu head_size num_threads",
        numbers="dt",
    )


class Scan(ctypes.Structure):
    """The arguments of all functions in `scans.cpp`, which describes them."""

    _fields_: ClassVar = _fields(
        pointers="x constants y grad d_x d_constants lengths",
        integers="T B h num_states num_threads part",
    )


ARGUMENTS: dict[str, type[ctypes.Structure]] = {"cells": Loop, "lem_slstm": Loop, "scans": Scan}


class Library:
    """The functions of a source, compiled for one floating-point type.

    path: of the compiled file.
    source: a key of ARGUMENTS.
    """

    def __init__(self, path: Path, source: str) -> None:
        self._library = ctypes.CDLL(str(path))
        self._arguments = ARGUMENTS[source]
        self.num_lanes = ctypes.c_int.in_dll(self._library, "num_lanes").value

    def padded_size(self, hidden_size: int) -> int:
        """Return the number of units, rounded up to whole vectors."""
        return -(-hidden_size // self.num_lanes) * self.num_lanes

    def call(self, name: str, **arguments: Tensor | int | float | None) -> None:
        """Call a function with its arguments, with addresses in place of tensors."""
        values = {
            key: value.data_ptr() if isinstance(value, Tensor) else value
            for key, value in arguments.items()
        }
        function = getattr(self._library, name)
        function.restype = None
        function(ctypes.byref(self._arguments(**values, num_threads=torch.get_num_threads())))

"""The functions of one compiled source, called through ctypes."""

import ctypes
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Float
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

    def gradients(
        self,
        cell: str,
        grad: Float[Tensor, "t b h"],
        hidden: Float[Tensor, "t1 b H"],
        *,
        num_gates: int,
        num_states: int,
        **arguments: Tensor | int | float | None,
    ) -> tuple[Float[Tensor, "t b gates"], Float[Tensor, "b H"], Float[Tensor, "b states"] | None]:
        """Return the gradients of the gates, and of the first state: h, and further values.

        grad: of the outputs.
        hidden: h before the first and after each step, with padded units (H).
        num_gates, num_states: values per unit in the first and last result.
        arguments: the other arguments of the backward function of this cell.
        """
        _, batch_size, padded = hidden.shape
        d_gates = hidden.new_empty(len(grad), batch_size, num_gates * padded)
        d_hidden = hidden.new_zeros(batch_size, padded)
        d_states = hidden.new_zeros(batch_size, num_states * padded) if num_states else None
        if grad.stride(2) != 1:
            grad = grad.contiguous()
        self.call(
            f"{cell}_backward",
            hs=hidden,
            grad=grad,
            grad_step=grad.stride(0),
            grad_row=grad.stride(1),
            d_gates=d_gates,
            dh=d_hidden,
            dc=d_states,
            **arguments,
        )
        return d_gates, d_hidden, d_states

    def call(self, name: str, **arguments: Tensor | int | float | None) -> None:
        """Call a function with its arguments, with addresses in place of tensors."""
        values = {
            key: value.data_ptr() if isinstance(value, Tensor) else value
            for key, value in arguments.items()
        }
        function = getattr(self._library, name)
        function.restype = None
        function(ctypes.byref(self._arguments(**values, num_threads=torch.get_num_threads())))

"""Chooses the code for the loop over time on a CPU: `model.kernel`."""

import logging
from functools import cache

import torch

from unrolled.encoders.native.compiled import UnavailableError, cpu_flags, library
from unrolled.encoders.native.library import Library

log = logging.getLogger(__name__)

KERNELS = ("auto", "torch", "native")
SOURCES = {  # the source of each cell
    **dict.fromkeys(("tanh", "relu", "lstm", "gru"), "cells"),
    **dict.fromkeys(("lem", "slstm"), "lem_slstm"),
    **dict.fromkeys(("mingru", "minlstm", "lru", "s4d"), "scans"),
}
DTYPES = (torch.float32, torch.float64)


def resolve(kernel: str, cell: str | None, device: torch.device) -> str:
    """Return "torch" or "native" for a cell on a device. It depends on nothing else.

    kernel: auto, torch or native. auto is native where docs/results.md and
        docs/performance.md show that it is faster.
    cell: a key of SOURCES, or None for a layer without a compiled loop.

    If there is no native code, or it cannot be compiled, one line in the log gives the reason.
    """
    if cell is None:
        if kernel == "native":
            _warn_of_no_loop()
        return "torch"
    if kernel == "torch" or device.type != "cpu":
        return "torch"
    if kernel == "auto" and not is_faster(cell, cpu_flags()):
        return "torch"
    return "native" if _is_available(SOURCES[cell], warn=kernel == "native") else "torch"


def is_faster(cell: str, flags: frozenset[str]) -> bool:
    """Return whether the native code is faster than torch on a CPU with these instruction sets.

    torch's LSTM (oneDNN) is faster for large batches or many units, and with AVX-512. All other
    loops are at least as fast in C++ in all shapes that were measured (docs/performance.md).
    """
    return {"avx2", "fma"} <= flags and cell != "lstm"


def native_library(kernel: str, cell: str | None, x: torch.Tensor) -> Library | None:
    """Return the functions for an input, or None if torch has to compute it."""
    if cell is None or x.dtype not in DTYPES or torch.is_autocast_enabled(x.device.type):
        return None
    if torch.compiler.is_compiling() or torch.onnx.is_in_onnx_export():
        return None  # an exported graph has no foreign code
    return library(x.dtype, SOURCES[cell]) if resolve(kernel, cell, x.device) == "native" else None


@cache
def _warn_of_no_loop() -> None:
    log.warning("model.kernel=native: this model has no compiled loop, so PyTorch computes it")


@cache
def _is_available(source: str, *, warn: bool) -> bool:
    try:
        library(torch.float32, source)
    except UnavailableError as error:
        level = logging.WARNING if warn else logging.INFO
        log.log(level, "compiled loops are not available, so PyTorch computes them: %s", error)
        return False
    return True

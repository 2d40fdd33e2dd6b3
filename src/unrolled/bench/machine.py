"""What the numbers depend on: versions, CPU, threads, and the speed of a matrix product."""

import platform
from time import process_time
from typing import Any

import torch
from torch.nn import functional

from unrolled.encoders.native.compiled import UnavailableError, cpu_flags, library
from unrolled.encoders.native.library import ARGUMENTS
from unrolled.runs.provenance import provenance

SIZE = 1024
REPEATS = 7
FLAGS = ("avx", "avx2", "fma", "avx512f", "avx512_bf16", "amx_tile", "asimd", "sve")


def machine() -> dict[str, Any]:
    """Return a description of this machine, as plain values."""
    found = provenance([], with_diff=False)
    del found["overrides"]
    found["hardware"]["cpu_flags"] = sorted(cpu_flags().intersection(FLAGS))
    found["hardware"]["libc"] = "-".join(platform.libc_ver())
    try:
        for source in ARGUMENTS:
            library(torch.float32, source)
        found["native_kernel"] = "compiled"
    except UnavailableError as error:
        found["native_kernel"] = f"not available: {error}"
    return found


def product_rates() -> dict[str, float]:
    """Return the rates of a matrix product in float32 on one thread, in flops per second of CPU.

    torch.mm uses the BLAS library of torch, and recurrent modules can use oneDNN. The two may
    choose different instruction sets on the same CPU.
    """
    torch.manual_seed(0)
    a, b = torch.randn(SIZE, SIZE), torch.randn(SIZE, SIZE)
    rates = {"torch.mm": _rate(lambda: torch.mm(a, b))}
    if torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        x, w = a.to_mkldnn(), b.to_mkldnn()
        rates["oneDNN"] = _rate(lambda: functional.linear(x, w))
    return rates


@torch.inference_mode()
def _rate(product: Any) -> float:
    seconds = []
    for _ in range(1 + REPEATS):
        started_at = process_time()
        product()
        seconds.append(process_time() - started_at)
    return 2 * SIZE**3 / min(seconds[1:])

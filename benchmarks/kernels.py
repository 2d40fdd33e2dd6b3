"""Forward and backward of RNN, LSTM and GRU: torch compared with `model.kernel=native`.

    OMP_NUM_THREADS=1 python benchmarks/kernels.py [pairs=9] [keep_memory=true] [shape=8x8x64x64]

A shape is steps x sequences x features x units. Without one, ten shapes are measured, so there are
thirty rows. Both kernels have the same weights and input, and run in turn. Each row shows the
median of the ratios of their CPU times, with the quartiles.
"""

import statistics
import sys
from time import process_time

import torch
from torch import Tensor, nn

from unrolled.encoders.native.cells import Weights, run
from unrolled.encoders.native.compiled import cpu_flags, library
from unrolled.encoders.native.kernel import is_faster
from unrolled.training.process import prepare_process

SHAPES = [
    "28x100x28x128",
    "100x64x8x64",
    "784x128x1x128",
    "16384x8x1x64",
    "8x8x64x64",
    "48x16x64x64",
    "150x16x1x32",
    "50x256x16x256",
    "16x1000x4x128",
    "300x1x6x100",
]
MODULES = {"tanh": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def seconds(kernel: str, cell: str, module: nn.RNNBase, x: Tensor, weighting: Tensor) -> float:
    """Return the CPU time of one forward and backward pass."""
    module.zero_grad()
    lengths = torch.full((len(x),), x.shape[1])
    started_at = process_time()
    if kernel == "torch":
        outputs = module(x)[0]
    else:
        outputs = run(library(x.dtype), cell, x, lengths, None, Weights(*module.parameters()))
    (outputs * weighting).sum().backward()
    return process_time() - started_at


def main() -> None:
    """Print one row per shape and cell."""
    arguments = dict(word.split("=") for word in sys.argv[1:])
    pairs = int(arguments.get("pairs", 9))
    keep_memory = arguments.get("keep_memory", "true") == "true"
    prepare_process(num_threads=1, keep_memory=keep_memory)
    torch.manual_seed(0)
    chosen = {"avx2", "fma", "avx512f"} & cpu_flags()
    print(f"keep_memory={keep_memory}, {pairs} pairs, {' '.join(sorted(chosen))}")
    print("| shape | cell | torch, ms | native, ms | native / torch | quartiles | auto |")
    print("|---|---|---|---|---|---|---|")
    for shape in [arguments["shape"]] if "shape" in arguments else SHAPES:
        t, b, d, h = map(int, shape.split("x"))
        x, weighting = torch.randn(b, t, d), torch.randn(b, t, h)
        for cell, make in MODULES.items():
            module = make(d, h, batch_first=True)
            times: dict[str, list[float]] = {"torch": [], "native": []}
            for number in range(pairs + 1):
                for kernel, values in times.items():
                    value = seconds(kernel, cell, module, x, weighting)
                    if number:  # the first one warms up
                        values.append(value)
            ratios = [n / t for n, t in zip(times["native"], times["torch"], strict=True)]
            low, middle, high = statistics.quantiles(ratios, n=4)
            auto = "native" if is_faster(cell, cpu_flags()) else "torch"
            milliseconds = [1e3 * statistics.median(values) for values in times.values()]
            print(
                f"| {shape.replace('x', ' x ')} | {cell} | {milliseconds[0]:.1f} | "
                f"{milliseconds[1]:.1f} | {middle:.2f} | {low:.2f} to {high:.2f} | {auto} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

"""What denormal numbers cost: the classic loop at a rate of 0.01, with and without flushing.

    python benchmarks/denormals.py

The network of experiment=tutorial_random (tanh RNN, 2 x 128) trains on 5,500 random sequences of 28
steps, batches of 100, Adam at 0.01: its units saturate, and gradients vanish on their way back.
CPU time of the ninth epoch, one thread, the two settings taking turns on equal copies.
"""

import copy
from time import process_time

import torch
from torch import nn

from unrolled.bench.bare import Bare
from unrolled.bench.loop import BareLoop

NUM_WARM_UP_EPOCHS = 8
NUM_PAIRS = 5


def seconds_of_an_epoch(loop: BareLoop, *, flush: bool) -> float:
    """Return the CPU time of an epoch from a copy of the loop's state."""
    torch.set_flush_denormal(flush)
    torch.manual_seed(0)
    twin = copy.deepcopy(loop)
    started_at = process_time()
    twin.epoch()
    return process_time() - started_at


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x, y = torch.randn(5500, 28, 28), torch.randint(10, (5500,))
    network = Bare(nn.RNN(28, 128, num_layers=2, batch_first=True), nn.Linear(128, 10))
    loop = BareLoop(
        network,
        torch.optim.Adam(network.parameters(), lr=0.01),
        train=(x, y),
        val=(x[:500], y[:500]),
        batch_size=100,
        eval_batch_size=500,
        clip=None,
    )
    torch.set_flush_denormal(True)
    for _ in range(NUM_WARM_UP_EPOCHS):
        loop.epoch()
    kept, flushed = [], []
    for _ in range(NUM_PAIRS):
        kept.append(seconds_of_an_epoch(loop, flush=False))
        flushed.append(seconds_of_an_epoch(loop, flush=True))
    ratios = sorted(a / b for a, b in zip(kept, flushed, strict=True))
    print(f"kept {min(kept):.2f} s, flushed {min(flushed):.2f} s (best of {NUM_PAIRS})")
    print(f"ratio: median {ratios[NUM_PAIRS // 2]:.1f}, from {ratios[0]:.1f} to {ratios[-1]:.1f}")


if __name__ == "__main__":
    main()

"""What forward and backward of a scan cost on a CPU, in every form, and beside torch's GRU.

    python benchmarks/scan.py

h_t = a_t h_{t-1} + b_t over batches of 32 with 128 units, gates a in (0, 1), one thread. Least CPU
time of several, in turns over all forms, so that a slow moment of the machine meets all of them.

ours: sequential, preallocated, with a backward pass of its own. logarithmic: the form of a GPU,
with the same backward pass. autograd: the plain loop, whose gradient torch derives. log space:
Heinsen (2023), Efficient parallelization of a ubiquitous sequential computation, for b > 0. GRU:
torch.nn.GRU of 128 features; it also multiplies by matrices, which minGRU does outside its scan.
"""

from collections.abc import Callable
from time import process_time

import torch
from torch import Tensor, nn

from unrolled.encoders.blocks import scan as scan_module
from unrolled.encoders.blocks.scan import logarithmic_scan, scan, sequential_scan

LENGTHS = (64, 256, 1024)
BATCH_SIZE, NUM_UNITS, NUM_TURNS = 32, 128, 5


def ours(a: Tensor, b: Tensor) -> Tensor:
    """Return the scan as the layers call it."""
    return scan(a, b, None, None)[0]


def autograd(a: Tensor, b: Tensor) -> Tensor:
    """Return the scan as a plain loop."""
    h, hidden = torch.zeros_like(b[:, 0]), []
    for a_t, b_t in zip(a.unbind(1), b.unbind(1), strict=True):
        h = torch.addcmul(b_t, a_t, h)
        hidden.append(h)
    return torch.stack(hidden, dim=1)


def log_space(a: Tensor, b: Tensor) -> Tensor:
    """Return the scan through logarithms of sums of exponentials."""
    decay = a.log().cumsum(dim=1)
    return (decay + torch.logcumsumexp(b.log() - decay, dim=1)).exp()


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    gru = nn.GRU(NUM_UNITS, NUM_UNITS, batch_first=True)
    forms: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "ours": ours,
        "logarithmic": ours,
        "autograd": autograd,
        "log space": log_space,
        "GRU": lambda a, b: gru(b)[0],
    }
    print("| steps |", " | ".join(f"{name}, ms" for name in forms), "|")
    print("|---" * (1 + len(forms)) + "|")
    for num_steps in LENGTHS:
        a, b = (torch.rand(BATCH_SIZE, num_steps, NUM_UNITS) * 0.98 + 0.01 for _ in range(2))
        a, b = a.requires_grad_(), b.requires_grad_()
        least = dict.fromkeys(forms, float("inf"))
        for turn in range(1 + NUM_TURNS):
            for name, form in forms.items():
                a.grad = b.grad = None
                chosen = logarithmic_scan if name == "logarithmic" else sequential_scan
                scan_module._fastest = lambda device, chosen=chosen: chosen  # type: ignore[misc]
                started_at = process_time()
                form(a, b).sum().backward()
                if turn:  # the first warms up
                    least[name] = min(least[name], process_time() - started_at)
        print(f"| {num_steps:,} |", " | ".join(f"{1e3 * s:.1f}" for s in least.values()), "|")


if __name__ == "__main__":
    main()

"""Padded against packed: CPU time of a training step of torch's modules, where lengths differ.

python benchmarks/packing.py [--rounds 6]

Both ways read the same batches in turn, in one process; what is compared is the time that the
processor spent (process_time), forward and backward, with the lengths on the CPU.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from unrolled.contracts import Sequences
from unrolled.data.batches import Batches
from unrolled.encoders.blocks.stacked import reverse_within_length

Read = Callable[[nn.RNNBase, Tensor, Tensor], Tensor]


def padded(layer: nn.RNNBase, x: Tensor, lengths: Tensor) -> Tensor:
    """Return the hidden states, padding read like all else."""
    return layer(x)[0]


def packed(layer: nn.RNNBase, x: Tensor, lengths: Tensor) -> Tensor:
    """Return the hidden states, padding left out."""
    sequence = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(layer(sequence)[0], batch_first=True, total_length=x.shape[1])[0]


def padded_reversed(layer: nn.RNNBase, x: Tensor, lengths: Tensor) -> Tensor:
    """Return the hidden states of a right-to-left reader, as Stacked makes them."""
    mirrored = reverse_within_length(x, lengths)
    return reverse_within_length(layer(mirrored)[0], lengths)


def packed_reversed(layer: nn.RNNBase, x: Tensor, lengths: Tensor) -> Tensor:
    """Return the same, packed."""
    mirrored = reverse_within_length(x, lengths)
    return reverse_within_length(packed(layer, mirrored, lengths), lengths)


def seconds_of_step(read: Read, layer: nn.RNNBase, batches: list[tuple[Tensor, Tensor]]) -> float:
    """Return the CPU time per batch, forward and backward."""
    started_at = time.process_time()
    for x, lengths in batches:
        hidden = read(layer, x, lengths)
        hidden[torch.arange(len(x)), lengths - 1].sum().backward()
        layer.zero_grad()
    return (time.process_time() - started_at) / len(batches)


def main() -> None:
    """Print a row per module and size of bucket."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--hidden-size", type=int, default=128)
    rounds, hidden_size = vars(parser.parse_args()).values()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    num = 64 * 20
    lengths = torch.randint(10, 201, (num,))
    sequences = Sequences(
        torch.randn(num, 200, 8), lengths, torch.zeros(num).long(), torch.arange(num)
    )
    for bucket_batches in (20, 1):
        loader = Batches(
            sequences,
            batch_size=64,
            shuffle=True,
            bucket_batches=bucket_batches,
            seed=0,
            redraw=None,
            rank=0,
            world_size=1,
        )
        batches = [(batch.x, batch.lengths) for batch in loader][::4]
        real = sum(int(some.sum()) for _, some in batches) / sum(
            x[..., 0].numel() for x, _ in batches
        )
        for module in (nn.LSTM, nn.GRU, nn.RNN):
            layer = module(8, hidden_size, batch_first=True)
            for one, other in ((padded, packed), (padded_reversed, packed_reversed)):
                times: dict[Read, list[float]] = {one: [], other: []}
                for _ in range(rounds):
                    for read in (one, other):
                        times[read].append(seconds_of_step(read, layer, batches))
                ratio = median(b / a for a, b in zip(times[one], times[other], strict=True))
                print(
                    f"bucket_batches={bucket_batches} real={real:.2f} {module.__name__} "
                    f"{one.__name__}: {1e3 * min(times[one]):.1f} ms, packed "
                    f"{1e3 * min(times[other]):.1f} ms, packed / padded {ratio:.2f} "
                    f"({min(b / a for a, b in zip(*times.values(), strict=True)):.2f} to "
                    f"{max(b / a for a, b in zip(*times.values(), strict=True)):.2f})",
                    flush=True,
                )


if __name__ == "__main__":
    main()

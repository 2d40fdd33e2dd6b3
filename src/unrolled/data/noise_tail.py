"""Noise behind a sequence: what was seen has to be kept while nothing of use is to be seen.

Chang et al. (2019), AntisymmetricRNN, section 4.3: noise-padded CIFAR-10; here drawn anew for every
sequence, where some of the published code repeats one draw for all. It is part of the task, not of
what a run learns: prediction takes sequences as they are.
"""

from dataclasses import replace

import torch

from unrolled.contracts import Sequences


def append_noise(sequences: Sequences, *, num_steps: int, generator: torch.Generator) -> Sequences:
    """Return standardised sequences, each with num_steps >= 0 of N(0, 1) behind its last step."""
    if num_steps == 0:
        return sequences
    x, lengths = sequences.x, sequences.lengths
    longer = torch.cat([x, torch.zeros(len(x), num_steps, x.shape[2])], dim=1)
    noise = torch.randn(len(x), num_steps, x.shape[2], generator=generator)
    steps = lengths[:, None] + torch.arange(num_steps)
    longer[torch.arange(len(x))[:, None], steps] = noise
    return replace(sequences, x=longer, lengths=lengths + num_steps)

"""Appends noise to sequences, so that a model must remember through uninformative steps.

Chang et al. (2019), AntisymmetricRNN, section 4.3: noise-padded CIFAR-10; here with a draw for
each sequence, while some of the published code uses one draw for all. The noise is part of the
task: prediction does not append any.
"""

from dataclasses import replace

import torch

from unrolled.contracts import Sequences


def append_noise(sequences: Sequences, *, num_steps: int, generator: torch.Generator) -> Sequences:
    """Return standardised sequences, with num_steps >= 0 steps of N(0, 1) appended to each."""
    if num_steps == 0:
        return sequences
    x, lengths = sequences.x, sequences.lengths
    longer = torch.cat([x, torch.zeros(len(x), num_steps, x.shape[2])], dim=1)
    noise = torch.randn(len(x), num_steps, x.shape[2], generator=generator)
    steps = lengths[:, None] + torch.arange(num_steps)
    longer[torch.arange(len(x))[:, None], steps] = noise
    return replace(sequences, x=longer, lengths=lengths + num_steps)

"""Mixup: training on weighted means of pairs of sequences. Zhang et al. (2018), eq. 1.

As in the authors' code, a batch has one share, its sequences are paired by a permutation, and the
losses of both labels are averaged, which is the loss of the mixed label. A mixed sequence is as
long as the longer one of its pair: the padding of the shorter one counts as zero.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.distributions import Beta

from unrolled.contracts import Batch, real_steps


class Mixed(NamedTuple):
    """A batch of mixed sequences.

    x, lengths: of the mixed sequences, padded with zeros.
    y, other_y: classes of both sequences of a pair.
    share: of the first sequence, 0 <= share <= 1; the second one has 1 - share.
    """

    x: Float[Tensor, "b t d"]
    lengths: Int[Tensor, " b"]
    y: Int[Tensor, " b"]
    other_y: Int[Tensor, " b"]
    share: float

    @property
    def dominant_y(self) -> Int[Tensor, " b"]:
        """Classes of the sequences with the larger share."""
        return self.y if self.share >= 0.5 else self.other_y


def mix_up(batch: Batch, *, alpha: float) -> Mixed:
    """Return the sequences of a batch, each mixed with another one (or itself).

    alpha: both parameters of the beta distribution of the share, > 0. Below 0.01, draws underflow.

    The share and the pairs are drawn from torch's generator of the CPU, which
    `callbacks.batch_seed` seeds.
    """
    parameter = torch.tensor(alpha, dtype=torch.float64)
    share = float(Beta(parameter, parameter).sample())
    other = torch.randperm(len(batch.y)).to(batch.y.device)
    x, lengths = batch.x, batch.lengths
    x = x * real_steps(lengths, x.shape[1])[:, :, None]
    return Mixed(
        x=share * x + (1 - share) * x[other],
        lengths=torch.maximum(lengths, lengths[other]),
        y=batch.y,
        other_y=batch.y[other],
        share=share,
    )

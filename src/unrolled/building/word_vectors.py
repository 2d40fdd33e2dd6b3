"""Vectors of words, which a network learns (embeddings).

As in Bengio et al. (2003), "A neural probabilistic language model", section 2: each word has a row
of a matrix. Row 0 is the vector of all unknown words. It starts as zeros, so that an unknown word
means nothing as long as no training sequence has one.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn


class WordVectors(nn.Module):
    """x' = (numbers, V_1[code_1], ..., V_k[code_k]), where the codes are the last k features of x.

    num_words: known words of each of these features, (k,). Their codes count from 1.
    size: numbers of a vector, >= 1.
    """

    def __init__(self, *, num_words: Sequence[int], size: int) -> None:
        super().__init__()
        tables = [nn.Embedding(num + 1, size) for num in num_words]
        for table in tables:
            nn.init.zeros_(table.weight[0])
        self.tables = nn.ModuleList(tables)
        self.size = size

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d2"]:
        """Return the numbers of x and the vectors of its words."""
        num_numbers = x.shape[2] - len(self.tables)
        codes = x[:, :, num_numbers:].long()
        vectors = [table(codes[:, :, k]) for k, table in enumerate(self.tables)]
        return torch.cat([x[:, :, :num_numbers], *vectors], dim=2)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return every parameter, without weight decay; see `Encoder.parameter_groups`.

        Decay would shrink the vectors of rare words, whose gradient is 0 in most batches.
        """
        return [{"params": list(self.parameters()), "lr_scale": 1.0, "decay": False}]

"""Causal transformer, for comparison. Vaswani et al. (2017), Attention is all you need, section 3.

Positions are the sinusoids of section 3.5, so that sequences may have any length. The state holds
the keys and values of all steps so far.

Departures:
- Normalization comes before attention and MLP instead of after them (Xiong et al. 2020).
- GELU instead of ReLU in the MLP.
- No dropout on attention weights, inside the MLP or on the embedding. Dropout follows attention
  and MLP.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from unrolled.encoders.blocks.attention import SelfAttention, sinusoids
from unrolled.encoders.blocks.encoder import Encoder, Sizes, State


class TransformerBlock(nn.Module):
    """x + SelfAttention(norm(x)), then x + MLP(norm(x)).

    size, num_heads, dropout: see Transformer.
    """

    def __init__(self, *, size: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.attention_norm = nn.LayerNorm(size)
        self.attention = SelfAttention(size=size, num_heads=num_heads)
        self.mlp_norm = nn.LayerNorm(size)
        self.mlp = nn.Sequential(nn.Linear(size, 4 * size), nn.GELU(), nn.Linear(4 * size, size))

    def forward(
        self,
        x: Float[Tensor, "b t h"],
        positions: Int[Tensor, "b t"],
        past: tuple[Tensor, ...] | None,
    ) -> tuple[Float[Tensor, "b t h"], tuple[Tensor, ...]]:
        """Return the output of this block, and the keys and values of all steps."""
        found, kept = self.attention(self.attention_norm(x), positions, past)
        x = x + functional.dropout(found, self.dropout, self.training)
        mixed = self.mlp(self.mlp_norm(x))
        return x + functional.dropout(mixed, self.dropout, self.training), kept


class Transformer(Encoder):
    """norm(blocks(W x_t + b + position_t)); a step attends to itself and to earlier steps.

    sizes: sizes that the data determines (input_size is d).
    hidden_size: units (h), a multiple of num_heads.
    num_layers: blocks, >= 1.
    num_heads: attention heads, >= 1.
    dropout: fraction of units dropped after attention and after the MLP, 0 <= dropout < 1.
    """

    def __init__(
        self,
        sizes: Sizes,
        *,
        hidden_size: int,
        num_layers: int,
        num_heads: int,
        dropout: float,
    ) -> None:
        super().__init__(output_size=hidden_size)
        if num_layers < 1 or not 0 <= dropout < 1:
            raise ValueError(
                "need num_layers >= 1 and 0 <= dropout < 1, "
                f"got num_layers={num_layers}, dropout={dropout}"
            )
        if num_heads < 1 or hidden_size % num_heads:
            raise ValueError(
                "need hidden_size to be a multiple of num_heads, "
                f"got hidden_size={hidden_size}, num_heads={num_heads}"
            )
        self.num_heads = num_heads
        self.embedding = nn.Linear(sizes.input_size, hidden_size)
        self.blocks = nn.ModuleList(
            TransformerBlock(size=hidden_size, num_heads=num_heads, dropout=dropout)
            for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(hidden_size)

    def start(self, x_t: Float[Tensor, "b d"]) -> State:
        """Return no steps, keys and values."""
        count = torch.zeros(x_t.shape[0], dtype=torch.long, device=x_t.device)
        none = x_t.new_zeros(x_t.shape[0], self.num_heads, 0, self.output_size // self.num_heads)
        return (count, *((none, none) for _ in self.blocks))

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return the hidden states, and the number of steps, keys and values as the state."""
        count, *pasts = state or (torch.zeros(x.shape[0], dtype=torch.long, device=x.device),)
        positions = count[:, None] + torch.arange(x.shape[1], device=x.device)  # (b, t)
        places = sinusoids(positions, size=self.output_size, dtype=x.dtype)
        stream, kept = self.embedding(x) + places, []
        for index, block in enumerate(self.blocks):
            stream, after = block(stream, positions, pasts[index] if pasts else None)
            kept.append(after)
        count = count + (x.shape[1] if lengths is None else lengths)
        return self.norm(stream), (count, *kept)

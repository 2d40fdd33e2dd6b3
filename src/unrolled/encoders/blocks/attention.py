"""Causal attention over the steps so far, and sinusoidal positions.

Vaswani et al. (2017), Attention is all you need, sections 3.2 and 3.5.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional


class SelfAttention(nn.Module):
    """softmax(q k^T / sqrt(h / heads)) v over the steps so far, in each head.

    size: units (h), a multiple of num_heads.
    num_heads: attention heads.
    """

    def __init__(self, *, size: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.input = nn.Linear(size, 3 * size)  # for queries, keys, values
        self.output = nn.Linear(size, size)

    def forward(
        self,
        x: Float[Tensor, "b t h"],
        positions: Int[Tensor, "b t"],
        past: tuple[Tensor, ...] | None,
    ) -> tuple[Float[Tensor, "b t h"], tuple[Tensor, ...]]:
        """Return the attended values, and the keys and values of all steps, (b, heads, steps, k).

        positions: position of each step in its sequence, from 0. Its key is stored there.
        past: the keys and values that the call for the previous chunk returned. None: this chunk is
            the beginning of the sequences.
        """
        parts = self.input(x).view(*x.shape[:2], 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        queries, keys, values = parts.unbind(0)  # (b, heads, t, k)
        visible = None
        if past is not None:
            where = positions[:, None, :, None].expand_as(keys)
            keys, values = (
                functional.pad(old, (0, 0, 0, x.shape[1])).scatter(2, where, new)
                for old, new in zip(past, (keys, values), strict=True)
            )
            places = torch.arange(keys.shape[2], device=x.device)
            visible = (places <= positions[:, :, None])[:, None]  # (b, 1, t, steps)
        found = functional.scaled_dot_product_attention(
            queries, keys, values, attn_mask=visible, is_causal=past is None
        )
        return self.output(found.transpose(1, 2).flatten(2)), (keys, values)


def sinusoids(
    positions: Int[Tensor, "b t"], *, size: int, dtype: torch.dtype
) -> Float[Tensor, "b t size"]:
    """Return sines, then cosines, of each position, with wavelengths of 2 pi to 20,000 pi steps.

    positions: from 0.
    """
    exact = torch.promote_types(dtype, torch.float32)  # bfloat16 cannot count beyond 256
    pairs = torch.arange(0, size, 2, device=positions.device, dtype=exact)
    angles = positions[:, :, None] * 1e4 ** (-pairs / size)  # (b, t, half of size)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)[:, :, :size].to(dtype)

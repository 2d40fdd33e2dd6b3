"""Batches as `cells.cpp` and `lem_slstm.cpp` read them: steps first, the longest sequence first."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def steps_first(
    x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]
) -> tuple[Float[Tensor, "t b d"], Int[Tensor, " b"], Int[Tensor, " b"] | None]:
    """Return a contiguous batch, sorted by length, its lengths, and the order, or None."""
    lengths, order = lengths.to(torch.int64).contiguous(), None
    if not bool((lengths == x.shape[1]).all()):
        lengths, order = lengths.sort(descending=True, stable=True)
        x = x.index_select(0, order)
    return x.transpose(0, 1).contiguous(), lengths, order


def batch_first(
    hidden: Float[Tensor, "t b h"], order: Int[Tensor, " b"] | None
) -> Float[Tensor, "b t h"]:
    """Return hidden states in the order that the sequences had."""
    hidden = hidden.transpose(0, 1)
    return hidden if order is None else hidden.index_select(0, order.argsort())


def unpadded(rows: Float[Tensor, "rows k"], size: int, padded: int) -> Float[Tensor, "kept k"]:
    """Return the rows of the units, without those that fill the last vector."""
    if size == padded:
        return rows
    return rows.view(-1, padded, rows.shape[1])[:, :size].reshape(-1, rows.shape[1])


def needs_gradient(*tensors: Tensor | None) -> bool:
    """Return whether a backward pass may follow, for which a loop has to keep its values."""
    return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)

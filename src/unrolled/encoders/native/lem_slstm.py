"""LEM and sLSTM on a CPU, with the loop over time in C++ (`lem_slstm.cpp`).

Products with the input come before the loop, and products over all steps at once, which give the
gradients of weights, after it. Both are computed by torch.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from unrolled.encoders.native.library import Library
from unrolled.encoders.native.order import batch_first, needs_gradient, steps_first, unpadded

# By cell, how many values per unit are in the state besides h, are saved for the backward pass, and
# have gradients that go back in time besides h.
NUM_STATES = {"lem": 1, "slstm": 3}
NUM_SAVED = {"lem": 4, "slstm": 5}
NUM_GRADIENTS = {"lem": 1, "slstm": 2}
Map = Callable[[Tensor], Tensor]

FIRST_STABILIZER = -1e9  # of sLSTM: m before the first step, far below any gate


def lem(
    library: Library,
    x: Float[Tensor, "b t d"],
    lengths: Int[Tensor, " b"],
    input_map: Map,
    from_y: Float[Tensor, "gates_of_y h"],
    from_z: Float[Tensor, "h h"],
    dt: float,
) -> Float[Tensor, "b t h"]:
    """Return y of all steps, 0 after the end of a sequence. For the equations see `LEM`.

    input_map: gives W x + b for a, c, z and y, each h wide.
    from_y: weights of y_{t-1} for a, c and z.
    from_z: weights of z_t for y.
    """
    x, lengths, order = steps_first(x, lengths)
    outputs = _run(library, "lem", input_map(x), lengths, from_y, from_z, dt=dt)
    return batch_first(outputs, order)


def slstm(
    library: Library,
    x: Float[Tensor, "b t d"],
    lengths: Int[Tensor, " b"],
    input_map: Map,
    recurrent: Float[Tensor, "heads gates_of_head k"],
) -> Float[Tensor, "b t h"]:
    """Return h of all steps, 0 after the end of a sequence. For the equations see `SLSTM`.

    input_map: gives W x + b for i, f, o and z, each h wide.
    recurrent: weights of h_{t-1} for the same. Heads have k = h / heads units.
    """
    num_heads, _, size = recurrent.shape
    if num_heads > 1 and size % library.num_lanes:  # a dense matrix, with 0 between heads
        blocks = torch.unflatten(recurrent, 1, (4, size))
        by_gate = [torch.block_diag(*blocks[:, gate]) for gate in range(4)]  # type: ignore[no-untyped-call]
        weights = torch.cat(by_gate)
    else:
        weights = torch.unflatten(recurrent, 1, (4, size)).transpose(0, 1).flatten(0, 2)
    x, lengths, order = steps_first(x, lengths)
    outputs = _run(library, "slstm", input_map(x), lengths, weights, None, dt=1.0)
    return batch_first(outputs, order)


def _run(
    library: Library,
    cell: str,
    wx: Tensor,
    lengths: Tensor,
    u: Tensor,
    w: Tensor | None,
    *,
    dt: float,
) -> Tensor:
    trains = needs_gradient(wx, u, w)
    outputs: Tensor = _Loop.apply(library, cell, trains, wx, lengths, u, w, dt)  # type: ignore[no-untyped-call]
    return outputs


class _Loop(torch.autograd.Function):
    """Hidden states (t, b, h) of all steps; wx (t, b, 4h) and lengths (b,) are sorted."""

    @staticmethod
    def forward(
        ctx: Any,
        library: Library,
        cell: str,
        trains: bool,
        wx: Tensor,
        lengths: Tensor,
        u: Tensor,
        w: Tensor | None,
        dt: float,
    ) -> Tensor:
        num_steps, batch_size = wx.shape[:2]
        size = wx.shape[2] // 4
        padded = library.padded_size(size)
        wx, u, w = wx.contiguous(), u.contiguous(), None if w is None else w.contiguous()
        hidden = wx.new_empty(num_steps + 1, batch_size, padded)
        hidden[0] = 0.0
        num_kept = num_steps + 1 if trains else 1
        states = wx.new_empty(num_kept, batch_size, NUM_STATES[cell] * padded)
        states[0] = 0.0
        if cell == "slstm":
            states[0, :, 2 * padded :] = FIRST_STABILIZER
        width = NUM_SAVED[cell] * padded
        saved = wx.new_empty(num_steps, batch_size, width) if trains else None
        settings: dict[str, Tensor | int | float] = {
            "T": num_steps,
            "B": batch_size,
            "h": size,
            "head_size": u.shape[1],
            "dt": dt,
            "lengths": lengths,
        }
        library.call(
            f"{cell}_forward", x=wx, u=u, w=w, hs=hidden, cs=states, saved=saved, **settings
        )
        if trains:
            ctx.save_for_backward(u, w, hidden, states, saved)
            ctx.library, ctx.cell, ctx.settings = library, cell, settings
        return hidden[1:, :, :size]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        u, w, hidden, states, saved = ctx.saved_tensors
        size, padded = ctx.settings["h"], hidden.shape[2]
        d_gates, _, _ = ctx.library.gradients(
            ctx.cell,
            grad,
            hidden,
            num_gates=4,
            num_states=NUM_GRADIENTS[ctx.cell],
            u=u,
            w=w,
            cs=states,
            saved=saved,
            **ctx.settings,
        )
        rows, before = d_gates.flatten(0, 1), hidden[:-1].flatten(0, 1)
        d_w = None
        if w is not None:  # LEM
            d_u = unpadded(rows[:, : 3 * padded].T @ before, size, padded)[:, :size]
            of_w = rows[:, 3 * padded :].T @ states[1:].flatten(0, 1)
            d_w = unpadded(of_w, size, padded)[:, :size]
        elif u.shape[1] == size:
            d_u = unpadded(rows.T @ before, size, padded)[:, :size]
        else:  # heads, in which no unit is padded
            heads = before.split(u.shape[1], dim=1)
            parts = rows.split(u.shape[1], dim=1)  # by gate, then by head
            d_u = torch.cat([parts[i].T @ heads[i % len(heads)] for i in range(len(parts))])
        d_wx = d_gates.unflatten(2, (4, padded))[..., :size].flatten(2)
        return None, None, None, d_wx, None, d_u, d_w, None

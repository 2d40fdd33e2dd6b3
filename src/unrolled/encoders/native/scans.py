"""Recurrences without products between units on a CPU, with the loop in C++ (`scans.cpp`)."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from unrolled.encoders.native.library import Library

MOST_PARTS = 16  # sums over sequences are made in so many parts, whatever the number of threads


def mingru(
    library: Library, wx: Float[Tensor, "b t gates"], lengths: Int[Tensor, " b"]
) -> Float[Tensor, "b t h"]:
    """Return the hidden states from W x + b for gate and candidate. For the equations see `MinGRU`.

    Here and below, outputs are 0 after the end of a sequence.
    """
    return _Scan.apply(library, "mingru", wx, lengths, None, wx.shape[2] // 2)  # type: ignore[no-any-return,no-untyped-call]


def minlstm(
    library: Library, wx: Float[Tensor, "b t gates"], lengths: Int[Tensor, " b"]
) -> Float[Tensor, "b t h"]:
    """Return the hidden states from W x + b for both gates and the candidate. See `MinLSTM`."""
    return _Scan.apply(library, "minlstm", wx, lengths, None, wx.shape[2] // 3)  # type: ignore[no-any-return,no-untyped-call]


def lru(
    library: Library,
    bx: Float[Tensor, "b t parts"],
    lengths: Int[Tensor, " b"],
    eigenvalues: Float[Tensor, "2 k"],
) -> Float[Tensor, "b t parts"]:
    """Return s_t = lambda s_{t-1} + bx_t, real parts first, then imaginary ones, as in `bx`.

    eigenvalues: real and imaginary parts of lambda.
    """
    return _Scan.apply(library, "lru", bx, lengths, eigenvalues, bx.shape[2] // 2)  # type: ignore[no-any-return,no-untyped-call]


def s4d(
    library: Library,
    x: Float[Tensor, "b t h"],
    lengths: Int[Tensor, " b"],
    constants: Float[Tensor, "4 n h"],
) -> Float[Tensor, "b t h"]:
    """Return y_t = Re(W s_t), s_t = A s_{t-1} + x_t, with n complex states per unit.

    constants: Re A, Im A, Re W, Im W.
    """
    return _Scan.apply(library, "s4d", x, lengths, constants, x.shape[2])  # type: ignore[no-any-return,no-untyped-call]


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        library: Library,
        name: str,
        x: Tensor,
        lengths: Tensor,
        constants: Tensor | None,
        size: int,
    ) -> Tensor:
        x, lengths = x.contiguous(), lengths.to(torch.int64).contiguous()
        constants = None if constants is None else constants.contiguous()
        batch_size, num_steps = x.shape[:2]
        y = x.new_empty(batch_size, num_steps, 2 * size if name == "lru" else size)
        settings: dict[str, Tensor | int] = {
            "lengths": lengths,
            "B": batch_size,
            "T": num_steps,
            "h": size,
            "num_states": 0 if constants is None else constants.shape[1],
            "part": max(1, -(-batch_size // MOST_PARTS)),
        }
        library.call(f"{name}_forward", x=x, constants=constants, y=y, **settings)
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(
                x if name != "lru" else None, y if name != "s4d" else None, constants
            )
            ctx.library, ctx.name, ctx.settings = library, name, settings
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        x, y, constants = ctx.saved_tensors
        d_constants = None
        if constants is not None:
            num_parts = -(-len(grad) // ctx.settings["part"])
            d_constants = constants.new_zeros(num_parts, *constants.shape)
        d_x = torch.empty_like(y if x is None else x)
        ctx.library.call(
            f"{ctx.name}_backward",
            x=x,
            constants=constants,
            y=y,
            grad=grad.contiguous(),
            d_x=d_x,
            d_constants=d_constants,
            **ctx.settings,
        )
        if d_constants is not None:
            d_constants = d_constants.sum(dim=0)
        return None, None, d_x, None, d_constants, None

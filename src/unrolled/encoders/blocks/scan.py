"""The parallel scan: h_t = a_t h_{t-1} + b_t for all t, element by element.

Blelloch (1990), Prefix sums and their applications, section 1.4.1. The steps compose:
(a, b) then (a', b') is (a' a, a' b + b'), which is associative, so that a GPU needs about 2 log2(t)
passes. On a CPU, t passes that allocate no memory are faster. The gradient is a scan of the same
form in reverse, g_t = dL/dh_t + conj(a_{t+1}) g_{t+1}. It is written out and needs only a and h
from the forward pass. There are only products and sums, no logarithms or quotients, so that with
|a| <= 1 nothing overflows, however long the sequence.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Inexact, Int
from torch import Tensor
from torch._higher_order_ops.associative_scan import associative_scan
from torch.autograd.function import once_differentiable

from unrolled.encoders.blocks.encoder import at_least_single, last_real


def scan(
    a: Inexact[Tensor, "*b_t h"],
    b: Inexact[Tensor, "b t h"],
    lengths: Int[Tensor, " b"] | None,
    state: tuple[Inexact[Tensor, "b h"]] | None,
) -> tuple[Inexact[Tensor, "b t h"], tuple[Inexact[Tensor, "b h"]]]:
    """Return h of all steps and, as the state, h at each sequence's last real step.

    a, b: real or complex, of the same type. a is (h) if it is the same for all steps, else
        (b, t, h).
    lengths: real steps, 1 <= lengths <= t. None: all steps are real.
    state: h before the first step. None: zero.
    """
    a, b = at_least_single(a), at_least_single(b)  # in mixed precision; see unroll.py
    if state is not None:
        first = a.expand_as(b)[:, 0] * state[0] + b[:, 0]
        if b.shape[1] == 1:
            return first[:, None], (first,)
        b = torch.cat([first[:, None], b[:, 1:]], dim=1)
    hidden: Tensor = _LinearScan.apply(a, b)  # type: ignore[no-untyped-call]
    return hidden, (last_real(hidden, lengths),)


class _LinearScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        hidden = _fastest(b.device)(a.expand_as(b), b, reverse=False)
        ctx.save_for_backward(a, hidden)
        return hidden

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_hidden: Tensor) -> tuple[Tensor, Tensor]:
        a, hidden = ctx.saved_tensors
        # conjugating the gradient is cheaper than conjugating a, which may be expanded
        grad = grad_hidden.conj().resolve_conj()
        is_constant = a.dim() == 1
        later_a = a.expand_as(hidden)
        if not is_constant:
            later_a = torch.cat([a[:, 1:], torch.zeros_like(a[:, :1])], dim=1)
        reached = _fastest(a.device)(later_a, grad, reverse=True)
        if is_constant:
            grad_a = (reached[:, 1:] * hidden[:, :-1]).sum(dim=(0, 1))
        else:
            grad_a = torch.zeros_like(hidden)
            torch.mul(reached[:, 1:], hidden[:, :-1], out=grad_a[:, 1:])
        return grad_a.conj(), reached.conj()


def _fastest(device: torch.device) -> Callable[..., Tensor]:
    return sequential_scan if device.type == "cpu" else logarithmic_scan


def sequential_scan(
    a: Inexact[Tensor, "b t h"], b: Inexact[Tensor, "b t h"], *, reverse: bool
) -> Inexact[Tensor, "b t h"]:
    """Return h_t = a_t h_{t-1} + b_t, step by step.

    reverse: whether h_t comes from h_{t+1} instead of h_{t-1}.

    This is the faster form on a CPU, and the plain reference for `logarithmic_scan`.
    """
    hidden = torch.empty_like(b, memory_format=torch.contiguous_format)
    before = torch.zeros_like(b[:, 0])
    steps = list(zip(a.unbind(1), b.unbind(1), hidden.unbind(1), strict=True))
    for a_t, b_t, h_t in reversed(steps) if reverse else steps:
        before = torch.addcmul(b_t, a_t, before, out=h_t)
    return hidden


def logarithmic_scan(
    a: Inexact[Tensor, "b t h"], b: Inexact[Tensor, "b t h"], *, reverse: bool
) -> Inexact[Tensor, "b t h"]:
    """Return the same as `sequential_scan`, in about 2 log2(t) passes over all steps at once."""
    hidden: Tensor = associative_scan(
        _compose, (a.contiguous(), b), dim=1, reverse=reverse, combine_mode="generic"
    )[1]
    return hidden


def _compose(earlier: tuple[Tensor, Tensor], later: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return later[0] * earlier[0], torch.addcmul(later[1], later[0], earlier[1])

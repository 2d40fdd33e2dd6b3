"""RNN, LSTM and GRU on a CPU, with the loop over time in C++ (`cells.cpp`).

`run` takes the parameters of torch's modules and gives their results. Products over all steps at
once, which give the gradients of inputs and weights, are computed by torch.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from unrolled.encoders.native.library import Library
from unrolled.encoders.native.order import batch_first, needs_gradient, steps_first, unpadded


class Weights(NamedTuple):
    """The parameters of one layer and direction, as torch has them: `gates` is h, 3h or 4h."""

    input: Float[Tensor, "gates d"]
    recurrent: Float[Tensor, "gates h"]
    input_bias: Float[Tensor, " gates"]
    recurrent_bias: Float[Tensor, " gates"]


class _Loop(torch.autograd.Function):
    """Hidden states (t, b, h) of all steps.

    x (t, b, d) and lengths (b,) are sorted, the longest first.
    """

    @staticmethod
    def forward(
        ctx: Any,
        library: Library,
        cell: str,
        trains: bool,
        x: Tensor,
        lengths: Tensor,
        h_0: Tensor | None,
        c_0: Tensor | None,
        *weights: Tensor,
    ) -> Tensor:
        num_steps, batch_size, input_size = x.shape
        size = weights[1].shape[1]
        padded = library.padded_size(size)
        w, u, b, c = (weight.contiguous() for weight in weights)
        hidden = x.new_empty(num_steps + 1, batch_size, padded)
        _set_first(hidden[0], h_0)
        cells = saved = None
        if cell == "lstm":
            cells = x.new_empty(num_steps + 1 if trains else 1, batch_size, padded)
            _set_first(cells[0], c_0)
        if trains and cell in ("lstm", "gru"):
            saved = x.new_empty(num_steps, batch_size, 4 * padded)
        settings = {"h": size, "is_relu": cell == "relu", "T": num_steps, "B": batch_size}
        library.call(
            f"{_name(cell)}_forward",
            x=x,
            w=w,
            u=u,
            b=b,
            c=c,
            hs=hidden,
            cs=cells,
            saved=saved,
            lengths=lengths,
            d=input_size,
            **settings,
        )
        if trains:
            ctx.save_for_backward(x, lengths, w, u, hidden, cells, saved)
            ctx.library, ctx.cell, ctx.settings = library, cell, settings
        return hidden[1:, :, :size]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        x, lengths, w, u, hidden, cells, saved = ctx.saved_tensors
        input_size, size, padded = x.shape[2], u.shape[1], hidden.shape[2]
        d_gates, d_hidden, d_cell = ctx.library.gradients(
            _name(ctx.cell),
            grad,
            hidden,
            num_gates=1 if saved is None else 4,
            num_states=0 if cells is None else 1,
            u=u,
            cs=cells,
            saved=saved,
            lengths=lengths,
            **ctx.settings,
        )
        rows = d_gates.flatten(0, 1)
        before = hidden[:-1].flatten(0, 1)
        # The columns of a GRU belong to n, r, z (with the input) and n (with the state).
        is_gru = ctx.cell == "gru"
        of_input = rows[:, : 3 * padded] if is_gru else rows
        of_recurrent = rows[:, padded:] if is_gru else rows
        d_u = unpadded(of_recurrent.T @ before, size, padded)[:, :size]
        d_w = unpadded(of_input.T @ x.view(-1, input_size), size, padded)
        d_b = d_c = unpadded(rows.sum(dim=0)[:, None], size, padded)[:, 0]
        if is_gru:
            d_w, d_b, d_c = d_w.roll(-size, dims=0), d_b[: 3 * size].roll(-size), d_c[size:]
        d_x = None
        if ctx.needs_input_grad[3]:
            by_gate = w.view(-1, size, input_size)
            by_gate = by_gate.roll(1, dims=0) if is_gru else by_gate
            by_gate = functional.pad(by_gate, (0, 0, 0, padded - size))
            d_x = (of_input @ by_gate.reshape(-1, input_size)).view(x.shape)
        d_first = [
            d[:, :size] if d is not None and wanted else None
            for d, wanted in zip((d_hidden, d_cell), ctx.needs_input_grad[5:7], strict=True)
        ]
        return None, None, None, d_x, None, *d_first, d_w, d_u, d_b, d_c


def _name(cell: str) -> str:
    return "rnn" if cell in ("tanh", "relu") else cell


def _set_first(target: Float[Tensor, "b H"], value: Float[Tensor, "b h"] | None) -> None:
    target.zero_()
    if value is not None:
        target[:, : value.shape[1]] = value


def run(
    library: Library,
    cell: str,
    x: Float[Tensor, "b t d"],
    lengths: Int[Tensor, " b"],
    state: tuple[Float[Tensor, "b h"], ...] | None,
    weights: Weights,
) -> Float[Tensor, "b t h"]:
    """Return the hidden states of whole sequences, 0 after the end of a sequence.

    cell: tanh or relu (a simple recurrent network), lstm, or gru.
    state: the first state, (h,) or (h, c). None: zeros.
    """
    x, lengths, order = steps_first(x, lengths)
    h_0, c_0 = (*(state or ()), None, None)[:2]
    if order is not None:
        h_0, c_0 = (s if s is None else s.index_select(0, order) for s in (h_0, c_0))
    trains = needs_gradient(x, h_0, c_0, *weights)
    outputs: Tensor = _Loop.apply(library, cell, trains, x, lengths, h_0, c_0, *weights)  # type: ignore[no-untyped-call]
    return batch_first(outputs, order)

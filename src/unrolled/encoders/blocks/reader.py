"""What every encoder here shares: whole sequences, chunks and single steps are one reading."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

State = tuple[Any, ...]  # nested tuples of tensors, the first axis of each is that of the sequences


class Reader(nn.Module, ABC):
    """An encoder that goes on reading where it stopped.

    input_size: features per step (d).
    output_size: units that it returns (h).
    """

    def __init__(self, *, input_size: int, output_size: int) -> None:
        super().__init__()
        if input_size < 1 or output_size < 1:
            raise ValueError(f"need sizes >= 1, got {input_size} features and {output_size} units")
        self.input_size = input_size
        self.output_size = output_size
        self.backward_size = 0

    @abstractmethod
    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return the hidden states of a chunk, and the state after each sequence's last real step.

        lengths: real steps in the chunk, 1 <= lengths <= t; None: all of them.
        state: what an earlier call returned; None: the sequences begin here.
        """

    def forward(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b t h"]:
        """Return the hidden states; a step sees itself and what came before, never padding."""
        return self.read(x, None, None)[0]

    def step(
        self, x_t: Float[Tensor, "b d"], state: State | None
    ) -> tuple[Float[Tensor, "b h"], State]:
        """Return the hidden state of one step, and the state to hand to the next."""
        hidden, state = self.read(x_t[:, None], None, state)
        return hidden[:, 0], state

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return matrices, which decay, and vectors (biases, gains), which do not."""
        return decay_groups(list(self.parameters()))


def decay_groups(parameters: list[nn.Parameter]) -> list[dict[str, Any]]:
    """Return the parameters as two groups: matrices decay, vectors do not; no empty group."""
    matrices = [p for p in parameters if p.ndim > 1]
    vectors = [p for p in parameters if p.ndim <= 1]
    groups = [(matrices, True), (vectors, False)]
    return [{"params": p, "lr_scale": 1.0, "decay": decay} for p, decay in groups if p]


def last_real(
    running: Shaped[Tensor, "b t ..."], lengths: Int[Tensor, " b"] | None
) -> Shaped[Tensor, "b ..."]:
    """Return each sequence's value at its last real step; None: at the last step."""
    if lengths is None:
        return running[:, -1]
    return running[torch.arange(len(running), device=running.device), lengths - 1]


def at_least_single(x: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
    """Return x in single precision if it came in half: sums over many steps need the digits."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def with_past(
    x: Float[Tensor, "b t h"],
    lengths: Int[Tensor, " b"] | None,
    past: Float[Tensor, "b s h"] | None,
    *,
    num_past: int,
) -> tuple[Float[Tensor, "b u h"], Float[Tensor, "b s h"]]:
    """Return x behind the num_past steps before it (u = s + t), and the past of the next chunk.

    past: what an earlier call returned; None: zeros.
    """
    if past is None:
        past = x.new_zeros(len(x), num_past, x.shape[2])
    extended = torch.cat([past, x], dim=1)
    ends = torch.full((len(x),), x.shape[1], device=x.device) if lengths is None else lengths
    newest = ends[:, None] + torch.arange(num_past, device=x.device)  # (b, s)
    return extended, extended.gather(1, newest[:, :, None].expand(-1, -1, x.shape[2]))

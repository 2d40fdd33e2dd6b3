"""The contract of an encoder, and small functions that several encoders share."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

# The memory of an encoder: nested tuples of tensors whose first axis is the sequence.
State = tuple[Any, ...]


@dataclass(frozen=True)
class Sizes:
    """The sizes that the data determines.

    input_size: features per step (d), >= 1.
    num_steps: steps of the longest sequence, >= 1.
    """

    input_size: int
    num_steps: int

    def __post_init__(self) -> None:
        if self.input_size < 1 or self.num_steps < 1:
            raise ValueError(
                "need input_size >= 1 and num_steps >= 1, "
                f"got input_size={self.input_size}, num_steps={self.num_steps}"
            )


class Encoder(nn.Module, ABC):
    """Maps the steps of a sequence to hidden states, as a whole, in chunks or step by step.

    A subclass implements `read`, and `start` if it does not start from zeros. Its constructor takes
    the sizes and the keys of its config:

        def __init__(self, sizes: Sizes, *, hidden_size: int) -> None:

    output_size: units per step that the encoder returns (h), >= 1.
    backward_size: how many of these, the last ones, come from a right-to-left direction. They have
        seen the whole sequence at step 0 instead of at the last step.
    """

    kernel = "torch"  # which code computes it; see `encoders.native.kernel`

    def __init__(self, *, output_size: int, backward_size: int = 0) -> None:
        super().__init__()
        if output_size < 1:
            raise ValueError(f"need hidden_size >= 1, got hidden_size={output_size}")
        self.output_size = output_size
        self.backward_size = backward_size

    @property
    def has_steps(self) -> bool:
        """Whether `read` and `step` work; otherwise the encoder needs whole sequences."""
        return self.backward_size == 0

    @abstractmethod
    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return the hidden states of a chunk and the state after each sequence's last real step.

        lengths: real steps in the chunk, 1 <= lengths <= t. None: all steps are real.
        state: the state that the call for the previous chunk returned. None: this chunk is the
            beginning of the sequences.

        Raises:
            ValueError: has_steps is false, for example because a right-to-left direction needs the
                whole sequence.
        """

    def start(self, x_t: Float[Tensor, "b d"]) -> State:
        """Return the state before the first step. Reading from it is the same as from None.

        The default is for encoders that start from zeros: zeros in the shapes of the state after
        one step.

        x_t: a step of the sequences, of which only shape, dtype and device are used.
        """
        return zeros_like(self.step(x_t, None)[1])

    def forward(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b t h"]:
        """Return the hidden states of whole sequences.

        The hidden state of a real step never depends on padding. The default ignores `lengths`,
        which is correct for any encoder whose steps see only themselves and earlier steps.
        """
        return self.read(x, None, None)[0]

    def step(
        self, x_t: Float[Tensor, "b d"], state: State | None
    ) -> tuple[Float[Tensor, "b h"], State]:
        """Return the hidden state of one step, and the state for the next call, like `read`."""
        hidden, state = self.read(x_t[:, None], None, state)
        return hidden[:, 0], state

    @property
    def has_compiled_loop(self) -> bool:
        """Whether `model.kernel=native` is possible."""
        return False

    def resolve_kernel(self, device: torch.device) -> str:
        """Return which code computes whole sequences on a device: torch or native."""
        return "torch"

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return every parameter exactly once, grouped by how it is optimized.

        Each group has `params` (a list), `lr_scale` (a factor on the learning rate, > 0) and
        `decay` (whether weight decay applies). The default decays matrices, but no vectors (biases
        and gains).
        """
        return decay_groups(list(self.parameters()))


def zeros_like(state: State) -> State:
    """Return a state of zeros in the shapes of this one."""
    return tuple(
        torch.zeros_like(part) if isinstance(part, Tensor) else zeros_like(part) for part in state
    )


def decay_groups(parameters: list[nn.Parameter]) -> list[dict[str, Any]]:
    """Return parameter groups: matrices with weight decay and vectors without, if there are any."""
    matrices = [p for p in parameters if p.ndim > 1]
    vectors = [p for p in parameters if p.ndim <= 1]
    groups = [(matrices, True), (vectors, False)]
    return [{"params": p, "lr_scale": 1.0, "decay": decay} for p, decay in groups if p]


def last_real(
    running: Shaped[Tensor, "b t ..."], lengths: Int[Tensor, " b"] | None
) -> Shaped[Tensor, "b ..."]:
    """Return each value at its sequence's last real step (the last step if lengths is None)."""
    if lengths is None:
        return running[:, -1]
    return running[torch.arange(running.shape[0], device=running.device), lengths - 1]


def at_least_single(x: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
    """Return half precision as single precision: sums over many steps need the digits."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def with_past(
    x: Float[Tensor, "b t h"],
    lengths: Int[Tensor, " b"] | None,
    past: Float[Tensor, "b s h"] | None,
    *,
    num_past: int,
) -> tuple[Float[Tensor, "b u h"], Float[Tensor, "b s h"]]:
    """Return x with the num_past steps before it (u = s + t), and the past of the next chunk.

    past: the past that the call for the previous chunk returned. None: zeros.
    """
    if past is None:
        past = x.new_zeros(x.shape[0], num_past, x.shape[2])
    extended = torch.cat([past, x], dim=1)
    ends = torch.full((x.shape[0],), x.shape[1], device=x.device) if lengths is None else lengths
    newest = ends[:, None] + torch.arange(num_past, device=x.device)  # (b, s)
    return extended, extended.gather(1, newest[:, :, None].expand(-1, -1, x.shape[2]))

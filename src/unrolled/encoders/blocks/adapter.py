"""Uses any module that maps (b, t, d) to (b, t, h) as an encoder, such as a class of your own.

Conventions, all by name:
- The constructor gets `input_size` (d), and `num_steps` (steps of the longest sequence) if it has
  such a parameter. `torch.nn.GRU` has the first.
- `forward(x)` returns hidden states, (b, t, h), or a tuple that begins with them.
- `forward(x, lengths)` also gets the number of real steps of each sequence, (b,).
- `forward(x, state)`, in torch's recurrent modules `forward(x, hx)`, can continue a sequence. It
  returns hidden states and the state after the last step: a tensor, or nested tuples of tensors,
  whose first axis is the sequence. Only torch's own modules have it as the second axis.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.encoders.blocks.encoder import Encoder, Sizes, State

STATE_NAMES = ("state", "hx")
TRIED_STEPS = 9  # of the sequences with which a module is tried


class Adapter(Encoder):
    """h = module(x). For the parameters that a module can have see above.

    module: returns hidden states of whole sequences. Real steps must not depend on padding.
    sizes: sizes of its input.
    """

    def __init__(self, module: nn.Module, *, sizes: Sizes) -> None:
        parameters = inspect.signature(module.forward).parameters
        takes_lengths = "lengths" in parameters
        super().__init__(output_size=_output_size(module, sizes, takes_lengths=takes_lengths))
        self.module = module
        self.takes_lengths = takes_lengths
        self.state_name = next((name for name in STATE_NAMES if name in parameters), None)

    @property
    def has_steps(self) -> bool:
        """Whether the module takes a state."""
        return self.state_name is not None

    def forward(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b t h"]:
        """Return the hidden states of whole sequences."""
        hidden: Tensor = _first(self.module(x, **self._lengths(lengths)))
        return hidden

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return the hidden states of a chunk, and the state after it.

        With lengths, each sequence is read alone, so that its state is the one after its own last
        step.

        Raises:
            ValueError: the module takes no state, or returns none.
        """
        if self.state_name is None:
            raise ValueError(
                f"{type(self.module).__name__}.forward has no parameter `state`, so it needs whole "
                "sequences; it cannot run in steps or chunks"
            )
        if lengths is not None:
            return self._read_each(x, lengths, state)
        before = None if state is None else self._turned(state[0])
        ends = torch.full((len(x),), x.shape[1], device=x.device)
        output = self.module(x, **self._lengths(ends), **{self.state_name: before})
        if not isinstance(output, tuple) or len(output) != 2:
            raise ValueError(
                f"{type(self.module).__name__}.forward has a parameter `{self.state_name}`; it "
                "must return hidden states and the state after them"
            )
        hidden, after = output
        return hidden, (self._turned(after),)

    def start(self, x_t: Float[Tensor, "b d"]) -> State:
        """Return the state before the first step: zeros in the shape of a later state.

        x_t: a step of the sequences.

        Raises:
            ValueError: reading from zeros is not the same as reading from no state.
        """
        hidden, after = self.step(x_t, None)
        zeros: State = _each(torch.zeros_like, after)
        if not torch.equal(self.step(x_t, zeros)[0], hidden):
            raise ValueError(
                f"{type(self.module).__name__}: a state of zeros differs from no state, so the "
                "state before the first step is unknown"
            )
        return zeros

    def _read_each(self, x: Tensor, lengths: Tensor, state: State | None) -> tuple[Tensor, State]:
        hidden, states = x.new_zeros(*x.shape[:2], self.output_size), []
        for row, length in enumerate(lengths.tolist()):
            before = None if state is None else _each(lambda part: part[row : row + 1], state)  # noqa: B023 - called at once
            read, after = self.read(x[row : row + 1, :length], None, before)
            hidden[row, :length] = read[0]
            states.append(after)
        return hidden, _each(lambda *rows: torch.cat(rows), *states)

    def _lengths(self, lengths: Tensor) -> dict[str, Tensor]:
        return {"lengths": lengths} if self.takes_lengths else {}

    def _turned(self, state: Any) -> Any:
        """Return a state with its first two axes exchanged if the module is one of torch's."""
        if isinstance(self.module, nn.RNNBase):
            return _each(lambda part: part.transpose(0, 1).contiguous(), state)
        return state


@contextmanager
def tried(module: nn.Module) -> Iterator[None]:
    """Use a module in this context without training it or drawing from torch's generator."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            yield
    finally:
        for part, mode in modes.items():
            part.training = mode


def _output_size(module: nn.Module, sizes: Sizes, *, takes_lengths: bool) -> int:
    """Return h, the size of the last axis of what the module returns.

    Raises:
        ValueError: the module fails, or returns something else than hidden states.
    """
    x = torch.zeros(3, min(TRIED_STEPS, sizes.num_steps), sizes.input_size)
    more = {"lengths": torch.full((3,), x.shape[1])} if takes_lengths else {}
    name = type(module).__name__
    with tried(module):
        try:
            hidden = _first(module(x, **more))
        except Exception as error:
            raise ValueError(
                f"{name}.forward fails for x of shape {(*x.shape,)}: {error}"
            ) from error
    if not isinstance(hidden, Tensor) or hidden.ndim != 3 or hidden.shape[:2] != x.shape[:2]:
        found = (*hidden.shape,) if isinstance(hidden, Tensor) else type(hidden).__name__
        raise ValueError(
            f"{name}.forward returns {found} for x of shape {(*x.shape,)}; need hidden states of "
            f"shape {(*x.shape[:2], 'h')}, sequence first"
        )
    return hidden.shape[2]


def _first(output: Any) -> Any:
    return output[0] if isinstance(output, tuple) else output


def _each(function: Callable[..., Tensor], *states: Any) -> Any:
    """Apply a function to the tensors in the same place of nested tuples."""
    if isinstance(states[0], Tensor):
        return function(*states)
    if not isinstance(states[0], tuple | list):
        raise ValueError(  # noqa: TRY004 - as for every other mistake in a module
            f"a state is a tensor or nested tuples of tensors, got {type(states[0]).__name__}"
        )
    return tuple(_each(function, *parts) for parts in zip(*states, strict=True))

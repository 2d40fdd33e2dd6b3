"""States of streams: nested tuples of tensors whose first axis is the stream."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor
from torch.nn import functional

State = Any  # a tensor, None, or a tuple of states


def leaves(state: State) -> Iterator[Tensor]:
    """Yield the tensors of a state in order."""
    if isinstance(state, Tensor):
        yield state
    elif state is not None:
        for part in state:
            yield from leaves(part)


def with_leaves(state: State, tensors: Iterator[Tensor]) -> State:
    """Return a state of the same structure with other tensors, in the order of `leaves`."""
    if state is None:
        return None
    if isinstance(state, Tensor):
        return next(tensors)
    return tuple(with_leaves(part, tensors) for part in state)


def chosen(which: Bool[Tensor, " b"], new: State, old: State) -> State:
    """Return the new state of the streams that are chosen, and the old state of the others."""
    if not torch.compiler.is_exporting():
        if bool(which.all()):
            return new
        if not bool(which.any()):
            return old
    return _zipped(lambda a, b: _where(which, a, b), new, old)


def _zipped(function: Callable[[Tensor, Tensor], Tensor], new: State, old: State) -> State:
    if new is None:
        return None
    if isinstance(new, Tensor):
        return function(new, old)
    return tuple(_zipped(function, a, b) for a, b in zip(new, old, strict=True))


def _where(which: Tensor, new: Tensor, old: Tensor) -> Tensor:
    if new.shape != old.shape:  # a state that grows, such as keys: what is added is not visible
        new, old = _padded(new, old), _padded(old, new)
    return torch.where(which.view(-1, *(1 for _ in new.shape[1:])), new, old)


def _padded(tensor: Tensor, other: Tensor) -> Tensor:
    """Return the tensor with zeros at the end of each axis in which the other one is longer."""
    sizes = zip(reversed(tensor.shape[1:]), reversed(other.shape[1:]), strict=True)
    pads = [pad for own, its in sizes for pad in (0, max(0, its - own))]
    return functional.pad(tensor, pads)

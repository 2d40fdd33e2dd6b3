"""The loop over time, for recurrences in which each step needs the one before it.

It runs in single precision even in mixed-precision training, because half precision rounds long
memories away.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unrolled.encoders.blocks.encoder import at_least_single, last_real

States = tuple[Tensor, ...]
Step = Callable[[Tensor, States], tuple[Tensor, States]]


def unroll(
    step: Step,
    inputs: Float[Tensor, "b t d"],
    lengths: Int[Tensor, " b"] | None,
    state: States,
) -> tuple[Float[Tensor, "b t h"], States]:
    """Return the outputs of all steps, and the state after each sequence's last real step.

    step: (input (b, d), state) -> (output (b, h), state). Compute terms that do not depend on the
        state (W x_t) for all steps at once and pass them as inputs.
    lengths: real steps, 1 <= lengths <= t; None: all steps are real. Padding is read too, but does
        not change the returned state.
    state: the state before the first step.
    """
    outputs, states = [], []
    with torch.autocast(inputs.device.type, enabled=False):
        state = tuple(at_least_single(part) for part in state)
        for input_t in at_least_single(inputs).unbind(dim=1):
            output, state = step(input_t, state)
            outputs.append(output)
            if lengths is not None:
                states.append(state)
    if lengths is not None:
        running = (torch.stack(part, dim=1) for part in zip(*states, strict=True))
        state = tuple(last_real(part, lengths) for part in running)
    return torch.stack(outputs, dim=1), state

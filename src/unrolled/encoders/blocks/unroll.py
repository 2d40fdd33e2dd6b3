"""The loop over time: for recurrences in which a step needs the one before it.

In mixed precision too it runs in single precision: in half, a long memory rounds itself away.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unrolled.encoders.blocks.reader import at_least_single, last_real

States = tuple[Tensor, ...]
Step = Callable[[Tensor, States], tuple[Tensor, States]]


def unroll(
    step: Step,
    inputs: Float[Tensor, "b t d"],
    lengths: Int[Tensor, " b"] | None,
    state: States,
) -> tuple[Float[Tensor, "b t h"], States]:
    """Return what the step says at every step, and the state after each sequence's last real one.

    step: (input (b, d), state) -> (output (b, h), state). What does not depend on the state
        (W x_t) is better computed for all steps at once, and handed in as inputs.
    lengths: real steps, 1 <= lengths <= t; None: all of them. Padding is read too, and forgotten.
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

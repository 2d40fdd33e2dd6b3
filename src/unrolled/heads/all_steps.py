"""Every step is read out with weights of its own: no step has to be remembered.

The readout of the recurrent network in the MNIST-1D paper (Greydanus & Kobak 2024).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from unrolled.heads.pooled import PooledHead, real_steps


class AllSteps(PooledHead):
    """logits = W dropout([h_s, h_2s, ..., h_T]) + b, with 0 for steps behind a sequence's end.

    num_steps: T, >= 1; a longer sequence is refused.
    stride: s, 1 <= stride <= num_steps; with 1 every step is read.
    The others: see PooledHead.
    """

    def __init__(
        self,
        *,
        input_size: int,
        backward_size: int,
        num_classes: int,
        num_steps: int,
        stride: int,
        dropout: float,
        initialization: str,
    ) -> None:
        if not 1 <= stride <= num_steps:
            raise ValueError(
                "need num_steps >= 1 and 1 <= stride <= num_steps, "
                f"got num_steps={num_steps}, stride={stride}"
            )
        num_read = num_steps // stride
        super().__init__(
            input_size=num_read * input_size,
            backward_size=0,
            num_classes=num_classes,
            dropout=dropout,
            initialization=initialization,
        )
        self.num_steps = num_steps
        self.stride = stride
        if initialization == "small":  # as many times more inputs, still a first loss of ln c
            with torch.no_grad():
                self.output.weight.mul_(num_read**-0.5)

    def pool(
        self, hidden: Float[Tensor, "b t h"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b f"]:
        """Return the steps of each sequence one after the other, (b, num_steps // stride h)."""
        if hidden.shape[1] > self.num_steps:
            raise ValueError(
                f"head=all_steps reads {self.num_steps} steps, these sequences have "
                f"{hidden.shape[1]}; head.num_steps={hidden.shape[1]} or data.max_length="
                f"{self.num_steps}"
            )
        real = torch.where(real_steps(hidden, lengths)[:, :, None], hidden, 0.0)
        every = functional.pad(real, (0, 0, 0, self.num_steps - hidden.shape[1]))
        return every[:, self.stride - 1 :: self.stride].flatten(1)

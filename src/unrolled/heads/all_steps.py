"""Reads every step with its own weights, so that the encoder does not have to remember any.

This is the readout of the recurrent network in the MNIST-1D paper (Greydanus & Kobak 2024).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from unrolled.contracts import real_steps
from unrolled.heads.head import Head


class AllSteps(Head):
    """logits = W dropout([h_s, h_2s, ..., h_T]) + b, with 0 for steps after a sequence's end.

    input_size, backward_size, summary_size, num_classes, dropout, initialization: see Head.
    num_steps: T, >= 1. Longer sequences are refused.
    stride: s, 1 <= stride <= num_steps. With 1 every step is read.
    """

    def __init__(
        self,
        *,
        input_size: int,
        backward_size: int,
        summary_size: int,
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
            summary_size=summary_size,
            num_classes=num_classes,
            dropout=dropout,
            initialization=initialization,
        )
        self.num_steps = num_steps
        self.stride = stride
        if initialization == "small":  # keeps the first loss near ln c despite more inputs
            with torch.no_grad():
                self.output.weight.mul_(num_read**-0.5)

    def pool(
        self, hidden: Float[Tensor, "b t h"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b f"]:
        """Return the steps that are read, concatenated: f = (num_steps // stride) h.

        Raises:
            ValueError: a sequence is longer than num_steps.
        """
        if hidden.shape[1] > self.num_steps:
            raise ValueError(
                f"head=all_steps reads {self.num_steps} steps, but these sequences have "
                f"{hidden.shape[1]}; use head.num_steps={hidden.shape[1]} or data.max_length="
                f"{self.num_steps}"
            )
        real = torch.where(real_steps(lengths, hidden.shape[1])[:, :, None], hidden, 0.0)
        every = functional.pad(real, (0, 0, 0, self.num_steps - hidden.shape[1]))
        return every[:, self.stride - 1 :: self.stride].flatten(1)

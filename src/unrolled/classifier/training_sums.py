"""Scores of a training epoch: sums on the device, read once at the end of the epoch."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unrolled.classifier.distributed import summed, world_size


@dataclass
class TrainingSums:
    """Sums over a training epoch, with few operations per step.

    loss: sum over sequences, nats.
    num_correct: sequences whose largest logit is at their label.
    gradient_norm, largest_gradient_norm: sum and maximum over steps, before clipping.
    num_sequences, num_steps: counts.
    """

    loss: Float[Tensor, ""]
    num_correct: Int[Tensor, ""]
    gradient_norm: Float[Tensor, ""]
    largest_gradient_norm: Float[Tensor, ""]
    num_sequences: int
    num_steps: int

    @classmethod
    def zero(cls, device: torch.device) -> "TrainingSums":
        """Return the sums at the start of an epoch."""
        loss, norm, largest = torch.zeros(3, device=device).unbind()
        count = torch.zeros((), dtype=torch.int64, device=device)
        return cls(loss, count, norm, largest, 0, 0)

    @classmethod
    def restored(cls, state: dict[str, Any], device: torch.device) -> "TrainingSums":
        """Return the sums that `dataclasses.asdict` turned into a dictionary."""
        moved: dict[str, Any] = {
            k: v.to(device) if isinstance(v, Tensor) else v for k, v in state.items()
        }
        return cls(**moved)

    @torch.no_grad()
    def add_batch(
        self, loss: Float[Tensor, ""], logits: Float[Tensor, "b c"], y: Int[Tensor, " b"]
    ) -> None:
        """Add the loss and the correct predictions of a batch.

        loss: mean over the batch.
        """
        self.loss.add_(loss, alpha=len(y))
        self.num_correct.add_((logits.argmax(dim=1) == y).sum())
        self.num_sequences += len(y)

    def add_gradient(self, norm: Float[Tensor, ""]) -> None:
        """Add the gradient norm of a step."""
        self.gradient_norm.add_(norm)
        torch.maximum(self.largest_gradient_norm, norm, out=self.largest_gradient_norm)
        self.num_steps += 1

    def of_all_processes(self) -> "TrainingSums":
        """Return the sums over the sequences of all processes of the run."""
        if world_size() == 1:
            return self
        count = torch.tensor(self.num_sequences, device=self.loss.device)
        return replace(
            self,
            loss=summed(self.loss),
            num_correct=summed(self.num_correct),
            num_sequences=int(summed(count)),
        )

    def scores(self) -> dict[str, Float[Tensor, ""]]:
        """Return means over sequences and steps, and the largest gradient norm, on the device."""
        return {
            "train/loss": self.loss / self.num_sequences,
            "train/accuracy": self.num_correct / self.num_sequences,
            "train/gradient_norm": self.gradient_norm / self.num_steps,
            "train/gradient_norm_max": self.largest_gradient_norm.clone(),
        }

"""Temperature scaling. Guo et al. (2017), "On calibration of modern neural networks", section 4.2.

The logits are divided by one number T > 0, which changes no predicted class of a sequence. T
minimizes the cross-entropy of predictions that were not trained on.

Departures:
- If every prediction is right, the cross-entropy has no minimum above T = 0. Therefore the target
  of the true class is 1 - 1 / (n + 2) for n predictions, and the others share the rest. Platt
  (1999), "Probabilistic outputs for support vector machines", section 2.2.
- Of recordings that are cut into windows, the logits of the windows are divided, and T minimizes
  the loss of the recordings, whose probabilities are means over windows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional
from torchmetrics.functional.classification import multiclass_calibration_error

from unrolled.data.windows import average_windows

LOWEST, HIGHEST = 0.01, 100.0  # temperatures
TINY = torch.finfo(torch.float64).tiny


@dataclass(frozen=True)
class Outputs:
    """Predictions of a network, or of an ensemble.

    logits: of sequences or windows, before calibration.
    y: their classes.
    ids: recording to which each window belongs.
    averages_windows: whether sequences of one id are windows of a recording.
    """

    logits: Float[Tensor, "n c"]
    y: Int[Tensor, " n"]
    ids: Int[Tensor, " n"]
    averages_windows: bool

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def labels(self) -> Int[Tensor, " m"]:
        """Classes of sequences or recordings."""
        if not self.averages_windows:
            return self.y
        rows, owners = torch.unique(self.ids, return_inverse=True)
        return self.y.new_zeros(len(rows)).scatter_(0, owners, self.y)

    def divided(self, temperature: float) -> "Outputs":
        """Return the predictions with other logits."""
        return replace(self, logits=self.logits / temperature)

    def probabilities(self, temperature: float) -> Float[Tensor, "m c"]:
        """Return the probabilities of sequences or recordings."""
        found = (self.logits.double() / temperature).softmax(dim=1)
        return average_windows(found, self.ids)[1] if self.averages_windows else found

    def loss(self, temperature: float) -> float:
        """Return the mean cross-entropy in nats."""
        return float(functional.nll_loss(self._logarithms(temperature), self.labels))

    def smoothed_loss(self, temperature: float) -> float:
        """Return the mean cross-entropy with a target of 1 - 1 / (n + 2) for the true class."""
        logarithms, labels = self._logarithms(temperature), self.labels
        rest = 1 / (len(labels) + 2)
        targets = torch.full_like(logarithms, rest / (logarithms.shape[1] - 1))
        targets.scatter_(1, labels[:, None], 1 - rest)
        return float(functional.cross_entropy(logarithms, targets))

    def calibration_error(self, temperature: float) -> float:
        """Return the expected calibration error (15 bins), as val/calibration_error."""
        found = self.probabilities(temperature)
        return float(multiclass_calibration_error(found, self.labels, found.shape[1]))

    def scores(self, temperature: float, *, split: str) -> dict[str, float]:
        """Return loss and calibration error by name, for example val/loss."""
        return {
            f"{split}/loss": self.loss(temperature),
            f"{split}/calibration_error": self.calibration_error(temperature),
        }

    def _logarithms(self, temperature: float) -> Float[Tensor, "m c"]:
        return self.probabilities(temperature).clamp(min=TINY).log()


def joined(parts: Sequence[Outputs]) -> Outputs:
    """Return the predictions for sets that do not overlap."""
    return Outputs(
        torch.cat([part.logits for part in parts]),
        torch.cat([part.y for part in parts]),
        torch.cat([part.ids for part in parts]),
        parts[0].averages_windows,
    )


def fit_temperature(outputs: Outputs) -> float:
    """Return the temperature with the lowest smoothed loss, between 0.01 and 100."""
    from scipy.optimize import minimize_scalar  # late: other runs do without

    found = minimize_scalar(
        lambda logarithm: outputs.smoothed_loss(math.exp(logarithm)),
        bounds=(math.log(LOWEST), math.log(HIGHEST)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return math.exp(float(found.x))


def divided(logits: Float[Tensor, "n c"], temperature: float | None) -> Float[Tensor, "n c"]:
    """Return the logits divided by the temperature, if there is one."""
    return logits if temperature is None else logits / temperature

"""Temperature scaling. Guo et al. (2017), "On calibration of modern neural networks", section 4.2.

The logits are divided by one number T > 0, which changes no predicted class of a sequence. T
minimizes the cross-entropy of predictions that were not trained on.

Departures:
- If every prediction is right, the cross-entropy has no minimum above T = 0. Therefore T maximizes
  the posterior with a standard normal prior of log T: the sum of the cross-entropies of n
  predictions is minimized together with (log T)^2 / 2. The larger n is, the less the prior counts.
  The cross-entropy is never larger than with T = 1.
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
    """Return the most probable temperature, between 0.01 and 100."""
    from scipy.optimize import minimize_scalar  # late: other runs do without

    found = minimize_scalar(
        lambda log_t: len(outputs) * outputs.loss(math.exp(log_t)) + log_t**2 / 2,
        bounds=(math.log(LOWEST), math.log(HIGHEST)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return math.exp(float(found.x))


def divided(logits: Float[Tensor, "n c"], temperature: float | None) -> Float[Tensor, "n c"]:
    """Return the logits divided by the temperature, if there is one."""
    return logits if temperature is None else logits / temperature

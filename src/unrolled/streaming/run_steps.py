"""A trained run as a module that reads one raw step of each stream."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unrolled.building.ensemble import Ensemble
from unrolled.data.fitted import Fitted
from unrolled.data.preparation import Preparation
from unrolled.streaming.networks import EnsembleSteps
from unrolled.streaming.states import State, chosen
from unrolled.streaming.windows import WindowSteps


class RunSteps(nn.Module):
    """Fills, standardises and classifies streams step by step.

    ensemble: the networks of the run.
    preparation, fitted_inputs: how their sequences are prepared; see `require_streamable`.
    num_features: features per step (d).
    """

    def __init__(
        self,
        ensemble: Ensemble,
        *,
        preparation: Preparation,
        fitted_inputs: Sequence[Fitted],
        num_features: int,
    ) -> None:
        super().__init__()
        self.fitted = fitted_inputs[0]
        self.num_features = num_features
        self.max_length = preparation.max_length
        window = preparation.window
        self.classified: EnsembleSteps | WindowSteps
        if window.size is None:
            self.classified = EnsembleSteps(ensemble, fitted_inputs)
        else:
            assert window.stride is not None
            self.classified = WindowSteps(
                ensemble,
                fitted_inputs,
                size=window.size,
                stride=window.stride,
                num_classes=len(self.fitted.class_names),
            )

    def start(self, num: int) -> State:
        """Return the state of n streams before the first step."""
        x_t = torch.zeros(num, self.num_features, dtype=torch.float64)
        newest = self.fitted.filling.start(num) if self._fills_forward else None
        scaled = self.fitted.scale(x_t[:, None])[:, 0]
        state = newest, self.classified.start(scaled)
        if self.max_length is None:
            return state, None
        count = torch.zeros(num, 1, dtype=torch.long)
        return state, (count, torch.zeros(num, len(self.fitted.class_names)))

    def forward(
        self, x_t: Float[Tensor, "b d"], state: State
    ) -> tuple[Float[Tensor, "b c"], State]:
        """Return the probabilities of the steps so far, and the state for the next call.

        x_t: the raw features of one step, in double precision. NaN is filled.
        """
        before, limit = state
        newest, of_networks = before
        if self._fills_forward:
            filled, newest = self.fitted.filling.step(x_t, newest)
        else:
            filled, _ = self.fitted.filling.step(x_t, x_t)
        scaled = self.fitted.standardization(filled)
        probabilities, of_networks = self.classified(scaled, of_networks)
        after = newest, of_networks
        if limit is None:
            return probabilities, (after, None)
        assert self.max_length is not None
        count, last = limit  # data.truncate=tail: further steps change nothing
        is_read = count[:, 0] < self.max_length
        after, probabilities = chosen(is_read, (after, probabilities), (before, last))
        return probabilities, (after, (count + 1, probabilities))

    @property
    def _fills_forward(self) -> bool:
        return self.fitted.filling.mode == "forward"

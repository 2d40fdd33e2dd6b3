"""Windows of a stream, whose probabilities are averaged as `predict` averages them.

`predict` cuts a window every `stride` steps, and one that ends with the recording. Here every step
may be the last one, so the newest window is classified again at each step. It is kept once the next
step no longer ends it.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.building.ensemble import Ensemble
from unrolled.data.fitted import Fitted
from unrolled.streaming.states import State


class WindowSteps(nn.Module):
    """Classifies the windows of streams.

    ensemble: classifies windows.
    fitted_inputs: what was fitted for each input of the ensemble.
    size, stride: see `data.windows.Windows`.
    num_classes: classes (c).
    """

    def __init__(
        self,
        ensemble: Ensemble,
        fitted_inputs: Sequence[Fitted],
        *,
        size: int,
        stride: int,
        num_classes: int,
    ) -> None:
        super().__init__()
        self.ensemble = ensemble
        self.channels = [fitted.channels for fitted in fitted_inputs]
        self.size, self.stride, self.num_classes = size, stride, num_classes

    def start(self, scaled: Float[Tensor, "b d"]) -> State:
        """Return an empty window, no steps, and no windows that are kept."""
        num = scaled.shape[0]
        none = torch.zeros(num, 1, dtype=torch.long)
        window = scaled.new_zeros(num, self.size, scaled.shape[1])
        return window, none, scaled.new_zeros(num, self.num_classes), none

    def forward(
        self, scaled: Float[Tensor, "b d"], state: State
    ) -> tuple[Float[Tensor, "b c"], State]:
        """Return the mean of the probabilities of all windows so far, and the next state.

        scaled: the newest step, filled and standardised, in double precision.
        """
        window, num_steps, total, num_windows = state
        window = self._with(scaled, window, num_steps)
        num_steps = num_steps + 1
        newest = self._probabilities(window, num_steps[:, 0].clamp(max=self.size))
        sums = total + newest.double()
        mean = (sums / (num_windows + 1)).to(newest.dtype)
        is_kept = (num_steps >= self.size) & ((num_steps - self.size) % self.stride == 0)
        total = torch.where(is_kept, sums, total)
        return mean, (window, num_steps, total, num_windows + is_kept.long())

    def _with(self, scaled: Tensor, window: Tensor, num_steps: Tensor) -> Tensor:
        """Return the window after one more step; a full window loses its first one."""
        is_full = (num_steps >= self.size)[:, :, None]
        moved = torch.cat([window[:, 1:], window[:, :1]], dim=1)
        window = torch.where(is_full, moved, window)
        place = num_steps.clamp(max=self.size - 1)
        is_place = (torch.arange(self.size) == place)[:, :, None]
        return torch.where(is_place, scaled[:, None], window)

    def _probabilities(self, window: Tensor, lengths: Int[Tensor, " b"]) -> Float[Tensor, "b c"]:
        inputs = [
            (window if channels is None else channels(window, lengths)).float()
            for channels in self.channels
        ]
        logits: Tensor = self.ensemble([(x, lengths) for x in inputs])
        return logits.softmax(dim=1)

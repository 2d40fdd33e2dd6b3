"""A trained run as one module: raw sequences and their lengths in, class probabilities out.

Everything that `predict` does is in it: truncation, filling, standardisation, added channels,
windows, the networks of an ensemble, and the mean of their probabilities. No operation has a shape
that depends on the values of a tensor, so that the module can be exported.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unrolled.building.ensemble import Ensemble
from unrolled.building.network import Network
from unrolled.data.fitted import Fitted
from unrolled.data.preparation import Preparation
from unrolled.export.loops import looped, with_loops


class Graph(nn.Module):
    """Class probabilities, (b, c), of raw sequences.

    ensemble: of the run; its members are networks.
    preparation, fitted_inputs: how their sequences are prepared.
    """

    def __init__(
        self, ensemble: Ensemble, *, preparation: Preparation, fitted_inputs: Sequence[Fitted]
    ) -> None:
        super().__init__()
        networks = [member for member in ensemble.members if isinstance(member, Network)]
        assert len(networks) == len(ensemble.members)
        self.ensemble = Ensemble(
            [with_loops(network) for network in networks],
            input_numbers=ensemble.input_numbers,
            temperature=None if ensemble.temperature is None else float(ensemble.temperature),
        ).eval()
        self.fitted = fitted_inputs[0]
        self.channels = [fitted.channels for fitted in fitted_inputs]
        self.max_length = preparation.max_length
        self.truncate = preparation.truncate
        self.window = preparation.window

    def forward(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b c"]:
        """Return the probabilities.

        x: raw features in double precision; what is in the padding has no influence.
        lengths: real steps of each sequence, 1 <= lengths <= t.
        """
        x, lengths = self._truncated(x, lengths)
        x = self._scaled(x)
        if self.window.size is None:
            return self._probabilities(x, lengths)
        x, lengths, is_real = self._cut(x, lengths)
        found = self._probabilities(x, lengths).double().view(*is_real.shape, -1)
        sums = torch.where(is_real[:, :, None], found, 0.0).sum(dim=1)
        return (sums / is_real.sum(dim=1, keepdim=True)).float()

    def _truncated(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sequences without the steps beyond max_length, which become padding."""
        if self.max_length is None:
            return x, lengths
        if self.truncate == "head":
            too_many = (lengths - self.max_length).clamp(min=0)
            steps = torch.arange(x.shape[1]) + too_many[:, None]
            steps = torch.minimum(steps, torch.full_like(steps, x.shape[1] - 1))
            x = x.gather(1, steps[:, :, None].expand(-1, -1, x.shape[2]))
        return x, lengths.clamp(max=self.max_length)

    def _scaled(self, x: Tensor) -> Tensor:
        filling = self.fitted.filling
        if filling.mode != "forward":
            return self.fitted.scale(x)

        def fill(state: tuple[Tensor, ...], x_t: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
            filled, newest = filling.step(x_t, state[0])
            return (newest,), filled

        return self.fitted.standardization(looped(fill, (filling.start(x.shape[0]),), x))

    def _cut(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Bool[Tensor, "b w"]]:
        """Return the windows of all sequences, their lengths, and which of them there are."""
        size, stride = self.window.size, self.window.stride
        assert size is not None
        assert stride is not None
        num, num_steps = x.shape[:2]
        last = (lengths - size).clamp(min=0)[:, None]
        starts = torch.arange(num_steps // stride + 1)[None] * stride  # enough for every sequence
        is_real = (starts == 0) | (starts - stride < last)
        starts = torch.minimum(starts, last)  # (b, w)
        steps = starts[:, :, None] + torch.arange(size)
        steps = torch.minimum(steps, torch.full_like(steps, num_steps - 1))  # (b, w, size)
        windows = x[torch.arange(num)[:, None, None], steps].flatten(0, 1)
        return windows, lengths.clamp(max=size)[:, None].expand_as(starts).flatten(), is_real

    def _probabilities(self, x: Tensor, lengths: Tensor) -> Tensor:
        inputs = [
            ((x if channels is None else channels(x, lengths)).float(), lengths)
            for channels in self.channels
        ]
        logits: Tensor = self.ensemble(inputs)
        return logits.softmax(dim=1)

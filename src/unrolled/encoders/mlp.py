"""Multilayer perceptron over flattened steps, for comparison: no recurrence, no shared weights.

Every step has input weights of its own; h_t is the perceptron of the steps up to t, zeros in the
place of those to come, so that at a sequence's last step it is that of the whole sequence.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from unrolled.encoders.blocks.reader import Reader, State, last_real


class MLP(Reader):
    """h_t = relu(... W_2 relu(b + sum over s <= t of W_s x_s) ...).

    input_size: features per step (d).
    num_steps: steps of the longest sequence, >= 1; a longer one is refused.
    hidden_size: units of each layer (h), >= 1.
    num_layers: hidden layers, >= 1.
    dropout: fraction of units silenced between layers, 0 <= dropout < 1.
    """

    def __init__(
        self, *, input_size: int, num_steps: int, hidden_size: int, num_layers: int, dropout: float
    ) -> None:
        super().__init__(input_size=input_size, output_size=hidden_size)
        if num_layers < 1 or not 0 <= dropout < 1:
            raise ValueError(
                "need num_layers >= 1 and 0 <= dropout < 1, "
                f"got num_layers={num_layers}, dropout={dropout}"
            )
        self.dropout = dropout
        first = nn.Linear(num_steps * input_size, hidden_size)  # for its initialisation
        self.weight = nn.Parameter(first.weight.detach().T.reshape(num_steps, input_size, -1))
        self.bias = first.bias
        self.layers = nn.ModuleList(
            nn.Linear(hidden_size, hidden_size) for _ in range(num_layers - 1)
        )

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return the hidden units so far at every step; the state is the sum and the steps so far.

        Raises:
            ValueError: a sequence is longer than num_steps.
        """
        total, count = state or (
            self.bias.expand(len(x), -1),
            torch.zeros(len(x), dtype=torch.long, device=x.device),
        )
        steps = count[:, None] + torch.arange(x.shape[1], device=x.device)  # (b, t)
        if state is None and x.shape[1] <= len(self.weight):
            terms = torch.einsum("btd,tdh->bth", x, self.weight[: x.shape[1]])
        else:
            terms = torch.einsum("btd,btdh->bth", x, self._weights_of(steps, lengths))
        totals = total[:, None] + terms.cumsum(dim=1)
        hidden = torch.relu(totals)
        for layer in self.layers:
            hidden = functional.dropout(hidden, self.dropout, self.training)
            hidden = torch.relu(layer(hidden))
        return hidden, (last_real(totals, lengths), last_real(steps, lengths) + 1)

    def _weights_of(self, steps: Tensor, lengths: Tensor | None) -> Tensor:
        num_steps = len(self.weight)
        longest = int(last_real(steps, lengths).max()) + 1
        if longest > num_steps:
            raise ValueError(f"there are weights for {num_steps} steps, got {longest} steps")
        return self.weight[steps.clamp(max=num_steps - 1)]  # padding may lie beyond

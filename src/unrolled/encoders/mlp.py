"""Multilayer perceptron over flattened steps, for comparison: no recurrence, no shared weights.

Each step has its own input weights. h_t is the perceptron of the steps up to t, with zeros in place
of later steps, so that h_t at a sequence's last step is the perceptron of the whole sequence.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from unrolled.encoders.blocks.encoder import Encoder, Sizes, State, last_real
from unrolled.errors import DataError


class MLP(Encoder):
    """h_t = relu(... W_2 relu(b + sum over s <= t of W_s x_s) ...).

    sizes: sizes that the data determines. Longer sequences than num_steps are refused.
    hidden_size: units of each layer (h), >= 1.
    num_layers: hidden layers, >= 1.
    dropout: fraction of units dropped between layers, 0 <= dropout < 1.
    """

    def __init__(self, sizes: Sizes, *, hidden_size: int, num_layers: int, dropout: float) -> None:
        super().__init__(output_size=hidden_size)
        if num_layers < 1 or not 0 <= dropout < 1:
            raise ValueError(
                "need num_layers >= 1 and 0 <= dropout < 1, "
                f"got num_layers={num_layers}, dropout={dropout}"
            )
        self.dropout = dropout
        shape = (sizes.num_steps, sizes.input_size)
        first = nn.Linear(shape[0] * shape[1], hidden_size)  # for its initialization
        self.weight = nn.Parameter(first.weight.detach().T.reshape(*shape, -1))
        self.bias = first.bias
        self.layers = nn.ModuleList(
            nn.Linear(hidden_size, hidden_size) for _ in range(num_layers - 1)
        )

    def start(self, x_t: Float[Tensor, "b d"]) -> State:
        """Return the bias of the first layer, and no steps."""
        num = x_t.shape[0]
        count = torch.zeros(num, dtype=torch.long, device=x_t.device)
        return self.bias.expand(num, -1), count

    def read(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"] | None, state: State | None
    ) -> tuple[Float[Tensor, "b t h"], State]:
        """Return the hidden states, and the first layer's sum and the number of steps as the state.

        Raises:
            ValueError: a sequence is longer than num_steps.
        """
        total, count = state or self.start(x[:, 0])
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
        if torch.compiler.is_exporting():  # the exported graph refuses a step without weights
            return self.weight[steps]
        num_steps = len(self.weight)
        longest = int(last_real(steps, lengths).max()) + 1
        if longest > num_steps:
            raise DataError(
                f"model=mlp has weights for {num_steps} steps, the length of the longest training "
                f"sequence, got {longest} steps; train with data.max_length={num_steps}"
            )
        return self.weight[steps.clamp(max=num_steps - 1)]  # padding may exceed it

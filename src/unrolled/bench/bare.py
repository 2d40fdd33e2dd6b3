"""The same network as a run's, written with torch.nn only: the reference of most rows."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unrolled.building.network import Network
from unrolled.encoders.blocks.stacked import Stacked, torch_key

MODULES = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}
TOLERANCE = 1e-4


class Bare(nn.Module):
    """A recurrent module of torch, its last step, and a linear layer."""

    def __init__(self, recurrent: nn.RNNBase, linear: nn.Linear) -> None:
        super().__init__()
        self.recurrent = recurrent
        self.linear = linear

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b c"]:
        """Return logits."""
        logits: Tensor = self.linear(self.recurrent(x)[0][:, -1])
        return logits


def bare_network(network: Network, *, num_features: int, hidden_size: int) -> tuple[Bare, str]:
    """Return the reference of a network, and its name.

    It is the same network with the same weights if the encoder is an rnn, lstm or gru with one
    direction. For any other encoder it is a GRU with as many units.
    """
    encoder, output = network.encoder, network.head.output
    num_classes = output.out_features
    if not isinstance(encoder, Stacked) or encoder.backward_size:
        gru = nn.GRU(num_features, hidden_size, batch_first=True)
        return Bare(gru, nn.Linear(hidden_size, num_classes)), "torch.nn.GRU"
    layer = encoder.left_to_right[0]
    kind = next(name for name, module in MODULES.items() if isinstance(layer, module))
    make: Any = MODULES[kind]
    settings = {"nonlinearity": layer.nonlinearity} if kind == "RNN" else {}
    recurrent = make(
        layer.input_size,
        layer.hidden_size,
        num_layers=len(encoder.left_to_right),
        dropout=encoder.dropout,
        batch_first=True,
        **settings,
    )
    state = encoder.state_dict()
    recurrent.load_state_dict({torch_key(key): value for key, value in state.items()})
    linear = nn.Linear(output.in_features, num_classes)
    linear.load_state_dict(output.state_dict())
    return Bare(recurrent, linear), f"torch.nn.{kind}"


@torch.no_grad()
def require_equal(network: Network, bare: Bare, x: Float[Tensor, "b t d"]) -> None:
    """Check that both return the same logits, so that a comparison of their times is fair."""
    lengths = torch.full((len(x),), x.shape[1])
    difference = float((network.eval()(x, lengths) - bare.eval()(x)).abs().max())
    assert difference < TOLERANCE, f"the logits of network and reference differ by {difference}"
    network.train()
    bare.train()

"""Simple recurrent network. Elman (1990), Finding structure in time; torch.nn.RNN's equation."""

from torch import nn

from unrolled.encoders.blocks.stacked import Stacked


class RNN(Stacked):
    """h_t = f(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh), f = tanh or ReLU.

    ReLU with identity recurrent weights is the IRNN of Le, Jaitly & Hinton (2015), section 3.

    input_size, hidden_size, num_layers, bidirectional, dropout, learn_initial_state,
        initialization, chrono_steps: see Stacked.
    nonlinearity: tanh or relu.
    """

    def __init__(
        self,
        *,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bidirectional: bool,
        dropout: float,
        learn_initial_state: bool,
        initialization: str,
        chrono_steps: int | None,
        nonlinearity: str,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"need nonlinearity tanh or relu, got nonlinearity={nonlinearity!r}")
        super().__init__(
            lambda size: nn.RNN(size, hidden_size, nonlinearity=nonlinearity, batch_first=True),
            input_size=input_size,
            hidden_size=hidden_size,
            num_layers=num_layers,
            bidirectional=bidirectional,
            dropout=dropout,
            learn_initial_state=learn_initial_state,
            initialization=initialization,
            chrono_steps=chrono_steps,
            forget_bias=None,
        )

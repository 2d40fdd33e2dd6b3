"""Long short-term memory. Hochreiter & Schmidhuber (1997); forget gate of Gers et al. (2000).

The equations are those of torch.nn.LSTM: no peepholes, and two biases that add up.
"""

from torch import nn

from unrolled.encoders.blocks.stacked import Stacked


class LSTM(Stacked):
    """c_t = f * c_{t-1} + i * g, h_t = o * tanh(c_t); gates i, f, o and input g from x_t, h_{t-1}.

    input_size, hidden_size, num_layers, bidirectional, dropout, learn_initial_state,
        initialization, chrono_steps: see Stacked.
    forget_bias: bias of the forget gate at the start, or None for that of `initialization`;
        1 closes most of the gap to the GRU (Jozefowicz et al. 2015).
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
        forget_bias: float | None,
    ) -> None:
        super().__init__(
            lambda size: nn.LSTM(size, hidden_size, batch_first=True),
            input_size=input_size,
            hidden_size=hidden_size,
            num_layers=num_layers,
            bidirectional=bidirectional,
            dropout=dropout,
            learn_initial_state=learn_initial_state,
            initialization=initialization,
            chrono_steps=chrono_steps,
            forget_bias=forget_bias,
        )

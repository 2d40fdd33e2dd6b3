"""Gated recurrent unit. Cho et al. (2014), Learning phrase representations, section 2.3.

The equations are those of torch.nn.GRU: the reset gate acts after the recurrent product
(the form that cuDNN computes), where the paper has it act before.
"""

from torch import nn

from unrolled.encoders.blocks.stacked import Stacked


class GRU(Stacked):
    """h_t = (1 - z) * n + z * h_{t-1}, n = tanh(W x_t + b + r * (U h_{t-1} + b')); gates r and z.

    input_size, hidden_size, num_layers, bidirectional, dropout, learn_initial_state,
        initialization, chrono_steps: see Stacked.
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
    ) -> None:
        super().__init__(
            lambda size: nn.GRU(size, hidden_size, batch_first=True),
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

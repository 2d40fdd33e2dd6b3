"""A check of an encoder that is not built in, each time it is built.

It reads three sequences of at most nine steps a few times, in single precision and with the weights
as they are. `unrolled check` is more thorough.
"""

import torch

from unrolled.checking.contract import (
    chunks_equal_the_whole,
    hidden_states_have_the_size_of_the_encoder,
    padding_reaches_no_real_step,
    sequences_do_not_reach_each_other,
)
from unrolled.checking.probe import make_probe
from unrolled.encoders.blocks.adapter import TRIED_STEPS, tried
from unrolled.encoders.blocks.encoder import Encoder, Sizes


def check_encoder(encoder: Encoder, *, sizes: Sizes) -> None:
    """Refuse an encoder whose real steps depend on padding or on other sequences.

    sizes: sizes of its input.

    Raises:
        ContractError: the message names the rule.
    """
    longest = min(TRIED_STEPS, sizes.num_steps)
    lengths = (longest, max(longest // 2, 1), 1)
    with tried(encoder):
        probe = make_probe(num_features=sizes.input_size, dtype=torch.float32, lengths=lengths)
        hidden_states_have_the_size_of_the_encoder(encoder, probe)
        sequences_do_not_reach_each_other(encoder, probe)
        padding_reaches_no_real_step(encoder, probe)
        if encoder.has_steps and longest > 1:
            chunks_equal_the_whole(encoder, probe)

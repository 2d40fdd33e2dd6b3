"""Sequences longer than a maximum lose their head or their tail."""

from dataclasses import replace

import torch

from unrolled.config.choices import TRUNCATION_ENDS
from unrolled.contracts import Sequences
from unrolled.errors import ConfigError


def truncate(sequences: Sequences, *, max_length: int | None, end: str) -> Sequences:
    """Return the sequences with at most max_length steps each.

    max_length: >= 1, or None for no maximum.
    end: which is cut off: head (the last steps stay) or tail (the first ones stay).

    Raises:
        ConfigError: another end.
    """
    if end not in TRUNCATION_ENDS:
        raise ConfigError(f"data.truncate={end}: need one of {', '.join(TRUNCATION_ENDS)}")
    if max_length is None or sequences.x.shape[1] <= max_length:
        return sequences
    x, step_y = sequences.x, sequences.step_y
    if end == "head":
        too_many = (sequences.lengths - max_length).clamp(min=0)
        steps = torch.arange(max_length) + too_many[:, None]  # (n, max_length)
        x = x.gather(1, steps[:, :, None].expand(-1, -1, x.shape[2]))
        step_y = None if step_y is None else step_y.gather(1, steps)
    return replace(
        sequences,
        x=x[:, :max_length],
        lengths=sequences.lengths.clamp(max=max_length),
        step_y=None if step_y is None else step_y[:, :max_length],
    )

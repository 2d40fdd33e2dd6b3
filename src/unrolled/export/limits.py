"""How many steps a network reads at most."""

from unrolled.building.network import Network
from unrolled.encoders.mlp import MLP
from unrolled.heads.all_steps import AllSteps
from unrolled.prediction.trained_run import TrainedRun
from unrolled.stems.convolutions import Convolutions


def most_steps(run: TrainedRun, *, num_steps: int) -> int | None:
    """Return the number of steps that a sequence may have, or None for any number.

    num_steps: of the longest training sequence.
    """
    if run.cuts_windows:
        return None
    limits = []
    for member in run.ensemble.members:
        if not isinstance(member, Network):
            continue
        stem = member.stem
        shorter = stem.stride * stem.pool if isinstance(stem, Convolutions) else 1
        if isinstance(member.encoder, MLP):
            limits.append(num_steps)
        if isinstance(member.head, AllSteps):
            limits.append(member.head.num_steps * shorter)
    return min(limits, default=None)

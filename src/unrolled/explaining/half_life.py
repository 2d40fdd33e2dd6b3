"""How long a state that decays at a constant rate is remembered."""

import math


def half_life(radius: float) -> float:
    """Return the steps after which a state that is multiplied by `radius` has halved.

    It is ln 2 / -ln(radius), 0 for radius 0, and infinite from 1 on.

    radius: |lambda|, >= 0.
    """
    if radius >= 1:
        return math.inf
    return 0.0 if radius <= 0 else math.log(2) / -math.log(radius)

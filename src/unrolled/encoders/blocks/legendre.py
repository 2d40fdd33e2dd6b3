"""The Legendre delay: a window of the past, stored as coefficients of Legendre polynomials.

Voelker, Kajic & Eliasmith (2019), Legendre memory units, eq. 1 and 2, zero-order hold at dt = 1.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def legendre_delay(order: int, window: float) -> tuple[Float[Tensor, "n n"], Float[Tensor, " n"]]:
    """Return A and B of m_t = A m_{t-1} + B u_t, in double precision.

    order: coefficients (n), >= 1.
    window: length of the window in steps (theta), > 0.
    """
    if order < 1 or window <= 0:
        raise ValueError(f"need order >= 1 and window > 0, got order={order}, window={window}")
    i = torch.arange(order, dtype=torch.float64)[:, None]
    j = i.T
    scale = (2 * i + 1) / window
    a = scale * torch.where(i < j, -1.0, (-1.0) ** (i - j + 1))
    b = scale * (-1.0) ** i
    joint = torch.zeros(order + 1, order + 1, dtype=torch.float64)  # exp([[A, B], [0, 0]])
    joint[:order, :order], joint[:order, order:] = a, b
    joint = torch.matrix_exp(joint)
    return joint[:order, :order].contiguous(), joint[:order, order].contiguous()

"""Ridge classification with an exact choice of the penalty by leave-one-out.

Regression on targets -1 and 1 per class with an intercept, as in scikit-learn's RidgeClassifierCV.
With the centred features X = U S V^T, the fitted values are U S^2 / (S^2 + a) U^T Y, and the
residual of a sequence that is left out is its residual divided by 1 - h. Here h is its diagonal
element of the hat matrix, including 1 / n for the intercept (Allen 1974, "PRESS").
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

ALPHAS = torch.logspace(-3, 3, 10, dtype=torch.float64)  # as in MiniRocket's reference code
TEMPERATURES = 2.0 ** torch.arange(-4.0, 2.5, 0.5, dtype=torch.float64)


class Ridge(NamedTuple):
    """A fitted classifier: scores = features @ weights + intercept.

    alpha: the penalty with the smallest squared leave-one-out error.
    temperature: divides the scores, so that their softmax has the highest leave-one-out likelihood.
    left_out: scores of each training sequence by a classifier fitted without it.
    """

    weights: Float[Tensor, "p c"]
    intercept: Float[Tensor, " c"]
    alpha: float
    temperature: float
    left_out: Float[Tensor, "n c"]


def fit_ridge(
    features: Float[Tensor, "n p"],
    *,
    y: Int[Tensor, " n"],
    num_classes: int,
    alphas: Float[Tensor, " k"] = ALPHAS,
) -> Ridge:
    """Return the classifier. The work is n p min(n, p), in float64.

    features: of n >= 2 training sequences.
    y: classes, 0 <= y < num_classes. A class may have one sequence or none.
    alphas: penalties to choose from, > 0.
    """
    features = features.double()
    targets = functional.one_hot(y, num_classes).double() * 2 - 1
    mean, target_mean = features.mean(dim=0), targets.mean(dim=0)
    centred, goal = features - mean, targets - target_mean
    is_dual = len(features) <= features.shape[1]
    squares, vectors = torch.linalg.eigh(centred @ centred.T if is_dual else centred.T @ centred)
    kept = squares > squares.max().clamp(min=1e-300) * len(squares) * 2.3e-16
    squares, vectors = squares[kept], vectors[:, kept]
    left = vectors if is_dual else centred @ vectors / squares.sqrt()  # U, (n, r)
    projected = left.T @ goal  # (r, c)
    best: tuple[float, float, Tensor] | None = None
    for alpha in alphas.tolist():
        shrinkage = squares / (squares + alpha)
        residuals = goal - left @ (shrinkage[:, None] * projected)
        leverage = 1 / len(features) + left.square() @ shrinkage
        residuals = residuals / (1 - leverage)[:, None]
        error = float(residuals.square().mean())
        if best is None or error < best[0]:
            best = (error, alpha, residuals)
    assert best is not None
    _, alpha, residuals = best
    right = centred.T @ left / squares.sqrt() if is_dual else vectors  # V, (p, r)
    weights = right @ ((squares.sqrt() / (squares + alpha))[:, None] * projected)
    left_out = targets - residuals
    losses = [functional.cross_entropy(left_out / t, y) for t in TEMPERATURES]
    return Ridge(
        weights=weights,
        intercept=target_mean - mean @ weights,
        alpha=alpha,
        temperature=float(TEMPERATURES[int(torch.stack(losses).argmin())]),
        left_out=left_out,
    )

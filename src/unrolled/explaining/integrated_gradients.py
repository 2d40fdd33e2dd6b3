"""Integrated gradients by step, computed by captum.

Sundararajan, Taly & Yan (2017), Axiomatic attribution for deep networks, section 3.
"""

from importlib.util import find_spec

import torch
from jaxtyping import Float
from torch import Tensor

from unrolled.explaining.changes import Change, Classify

NUM_STEPS = 64  # of the integral


def is_installed() -> bool:
    """Return whether captum is installed."""
    return find_spec("captum") is not None


def integrated_gradients(
    classify: Classify, x: Float[Tensor, "t d"], *, hide: Change
) -> Float[Tensor, " t"]:
    """Return the share of each step in the probability of the predicted class.

    The attribution of a value is (x - x0) times the mean gradient of the probability along the
    straight line from x0 to x. Those of the features of a step are added. The sum over all steps
    is p(x) - p(x0).

    x: one sequence without padding. All features are numbers.
    hide: returns the sequence x0, (t, d).
    """
    from captum.attr import IntegratedGradients

    def probabilities(x: Tensor) -> Tensor:
        return classify(x, torch.full((len(x),), x.shape[1])).softmax(dim=1)

    with torch.no_grad():
        predicted = int(probabilities(x[None])[0].argmax())
    attributions: Tensor = IntegratedGradients(probabilities).attribute(
        x[None], baselines=hide(x)[None], target=predicted, n_steps=NUM_STEPS
    )
    return attributions[0].sum(dim=1).detach().double()

"""The results of `unrolled explain` in words, for the terminal and the page."""

import math
from statistics import median

from unrolled.explaining.explanation import (
    Early,
    Explanation,
    Forgetting,
    GateShares,
    Spectrum,
    StateGradients,
)
from unrolled.explaining.half_life import half_life

SPLITS = {"train": "training", "val": "validation", "test": "test"}


def sentences(found: Explanation) -> list[str]:
    """Return one line per measure, and one per measure that does not apply."""
    lines = [
        f"{found.model}, {found.num_sequences:,} {SPLITS.get(found.split, found.split)} "
        f"{found.noun}",
        *found.notes,
    ]
    if found.gradients is not None:
        lines.append(about_gradients(found.gradients))
    lines += [about_saturation(one) for one in found.saturation]
    lines += [about_spectrum(one, layer) for layer, one in enumerate(found.eigenvalues, start=1)]
    if found.forgetting is not None:
        lines.append(about_forgetting(found.forgetting))
    if found.early is not None:
        lines.append(about_early(found.early))
    return lines + [f"no {name}: {reason}" for name, reason in found.skipped.items()]


def about_gradients(found: StateGradients) -> str:
    """Return the ratio of the gradients at the first and at the last state."""
    texts = [
        f"{name} {values[0]:.1e} and {values[-1]:.1e}"
        for name, values in (("after training", found.after), ("before training", found.before))
        if values
    ]
    return (
        f"norm of the gradient at the state one step before the end and at the first state: "
        f"{'; '.join(texts)} (mean of {found.num_sequences})"
    )


def about_saturation(one: GateShares) -> str:
    """Return the shares at both ends."""
    return (
        f"layer {one.layer}, {one.name}: {100 * one.low:.1f} % saturated at the lower end, "
        f"{100 * one.high:.1f} % at the upper end"
    )


def about_spectrum(one: Spectrum, layer: int) -> str:
    """Return the largest eigenvalue and the half-lives."""
    radii = one.radii
    if not radii:
        return f"recurrent map {layer}: no eigenvalues"
    lives = [half_life(radius) for radius in radii]
    text = (
        f"recurrent map {layer}: largest |eigenvalue| {radii[-1]:.4f}, half-life "
        f"{_steps(median(lives))} in the median and {_steps(lives[-1])} at most"
    )
    num = sum(radius >= 1 for radius in radii)
    return text + (f"; {num} of {len(radii)} do not decay" if num else "")


def about_forgetting(found: Forgetting) -> str:
    """Return how much less an early change matters than a late one."""
    if not found.change or not found.change[0]:
        return "a change of the last step does not move the logits"
    ratio = found.change[-1] / found.change[0]
    return (
        f"a change of the first step of the longest sequences moves the logits {ratio:.2g} times "
        "as far as a change of the last one"
    )


def about_early(found: Early) -> str:
    """Return when most of the accuracy is reached."""
    final = found.accuracy[-1] if found.accuracy else math.nan
    return (
        f"95 % of the final accuracy ({100 * final:.1f} %) is reached after "
        f"{100 * found.enough:.0f} % of the sequence (step "
        f"{math.ceil(found.enough * found.num_steps - 1e-9)} of {found.num_steps})"
    )


def _steps(number: float) -> str:
    return "without end" if math.isinf(number) else f"{number:.3g} steps"

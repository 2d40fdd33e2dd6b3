"""Which runs can classify streams, and what to change in those that cannot."""

from collections.abc import Sequence

from unrolled.building.ensemble import Ensemble
from unrolled.building.network import Network
from unrolled.data.fitted import Fitted
from unrolled.data.preparation import Preparation
from unrolled.errors import ConfigError


def require_streamable(
    ensemble: Ensemble, *, preparation: Preparation, fitted_inputs: Sequence[Fitted]
) -> None:
    """Refuse a run in which some step depends on later ones.

    Raises:
        ConfigError: the message names the settings, and what to train with instead.
    """
    reasons = _of_preparation(preparation, fitted_inputs)
    if preparation.window.size is None:
        reasons += _of_networks(ensemble)
    if reasons:
        raise ConfigError(
            "this run cannot classify a stream, because it reads later steps:\n  "
            + "\n  ".join(reasons)
        )


def _of_preparation(preparation: Preparation, fitted_inputs: Sequence[Fitted]) -> list[str]:
    reasons = []
    schema = fitted_inputs[0].schema
    resample = None if schema is None else schema.get("resample")
    if resample is not None:
        reasons.append(
            f"data.resample={resample} interpolates between a step and the next one; resample the "
            "file yourself, and train with data.resample=null"
        )
    if fitted_inputs[0].num_words:
        reasons.append(
            "a step of a stream is numbers, and data.embedding reads words; train with "
            "data.embedding=null"
        )
    if preparation.max_length is not None and preparation.truncate == "head":
        reasons.append(
            f"data.truncate=head keeps the last {preparation.max_length} steps; train with "
            "data.truncate=tail, or with windows: data.window.size=STEPS"
        )
    if preparation.window.size is not None:  # a window is read whole
        return reasons
    for fitted in fitted_inputs:
        channels = fitted.channels
        if channels is not None and not channels.is_causal:
            names = ("per_sequence", "level_and_scale")
            used = [f"data.{name}=true" for name in names if getattr(channels.settings, name)]
            reasons.append(
                f"{' and '.join(used)}: statistics of the whole sequence; train with "
                "recipe.causal=true, which uses those of the steps so far"
            )
            break
    return reasons


def _of_networks(ensemble: Ensemble) -> list[str]:
    reasons = {}  # in order, once each
    for member in ensemble.members:
        if not isinstance(member, Network):
            name = type(member).__name__.lower()
            reasons[name] = f"model={name} reads whole sequences; train another model"
            continue
        if not member.stem.is_causal:
            reasons["stem"] = (
                "the convolutions of the stem are centred (stem.causal=false); train with "
                "recipe.causal=true"
            )
        if member.encoder.backward_size:
            reasons["bidirectional"] = (
                "model.bidirectional=true reads from right to left; train with "
                "model.bidirectional=false"
            )
        elif not member.encoder.has_steps:
            reasons["steps"] = "the model cannot continue a sequence: its forward takes no `state`"
    return list(reasons.values())

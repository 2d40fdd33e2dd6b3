"""The results of `unrolled explain`, as the file explain.json has them. It needs no torch."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from unrolled.errors import CheckpointError
from unrolled.runs.json_file import read_json, write_json
from unrolled.runs.run_folder import RunFolder

FILE = "explain.json"


@dataclass(frozen=True)
class StateGradients:
    """Mean norm of the gradient at the state, 1, 2, ... steps before the end.

    before, after: with fresh weights, and with the trained ones.
    num_sequences: over which the mean is taken.
    """

    before: list[float]
    after: list[float]
    num_sequences: int


@dataclass(frozen=True)
class GateShares:
    """Share of saturated values of a gate or of units; see `saturation`."""

    layer: int
    name: str
    low: float
    high: float


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues of the recurrent map of a layer, by real and imaginary part."""

    real: list[float]
    imaginary: list[float]

    @property
    def radii(self) -> list[float]:
        """Absolute values, the largest last."""
        return sorted(map(math.hypot, self.real, self.imaginary))


@dataclass(frozen=True)
class Forgetting:
    """Mean change of the logits if a step is changed that is so many steps before the last one."""

    steps_before_end: list[int]
    change: list[float]


@dataclass(frozen=True)
class Early:
    """Accuracy and confidence by the share that was read; see `early_decision`.

    enough: share from which on 95 % of the final accuracy are reached.
    num_steps: of the longest sequence.
    num_sequences: over which the accuracy is taken.
    """

    shares: list[float]
    accuracy: list[float]
    confidence: list[float]
    enough: float
    num_steps: int
    num_sequences: int


@dataclass(frozen=True)
class Example:
    """A sequence whose steps were hidden.

    label, predicted: names of classes.
    probability: of the predicted class.
    window: steps that were hidden at once.
    occlusion: fall of the probability by step.
    integrated_gradients: attribution by step; empty if it was not computed.
    """

    name: str
    label: str
    predicted: str
    probability: float
    window: int
    occlusion: list[float]
    integrated_gradients: list[float]


@dataclass(frozen=True)
class Explanation:
    """All measures of a run. A measure that does not apply is None or empty.

    split: train, val or test.
    noun: sequences or windows.
    num_sequences: that were read.
    model: name of the model.
    steps_per_state: steps of the sequence for one step of the encoder; 1 without a stem.
    skipped: the reason, by the name of a measure that does not apply.
    notes: further remarks.
    """

    split: str
    noun: str
    num_sequences: int
    model: str
    steps_per_state: float
    gradients: StateGradients | None = None
    saturation: list[GateShares] = field(default_factory=list)
    eigenvalues: list[Spectrum] = field(default_factory=list)
    forgetting: Forgetting | None = None
    early: Early | None = None
    examples: list[Example] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def write_explanation(folder: RunFolder, explanation: Explanation) -> None:
    """Write explain.json."""
    write_json(folder.path / FILE, asdict(explanation))


def read_explanation(folder: RunFolder) -> Explanation | None:
    """Return what explain.json has, or None if there is no such file.

    Raises:
        CheckpointError: the file is damaged.
    """
    values = read_json(folder.path / FILE)
    if values is None:
        return None
    try:
        return _from_plain(values)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CheckpointError(
            f"{folder.path / FILE} is damaged: {error!r}; `unrolled explain run={folder.path}` "
            "writes it again"
        ) from error


def _from_plain(values: dict[str, Any]) -> Explanation:
    gradients, forgetting = values["gradients"], values["forgetting"]
    early = values["early"]
    return Explanation(
        split=str(values["split"]),
        noun=str(values["noun"]),
        num_sequences=int(values["num_sequences"]),
        model=str(values["model"]),
        steps_per_state=float(values["steps_per_state"]),
        gradients=None
        if gradients is None
        else StateGradients(
            before=_numbers(gradients["before"]),
            after=_numbers(gradients["after"]),
            num_sequences=int(gradients["num_sequences"]),
        ),
        saturation=[
            GateShares(int(one["layer"]), str(one["name"]), float(one["low"]), float(one["high"]))
            for one in values["saturation"]
        ],
        eigenvalues=[
            Spectrum(_numbers(one["real"]), _numbers(one["imaginary"]))
            for one in values["eigenvalues"]
        ],
        forgetting=None
        if forgetting is None
        else Forgetting(
            [int(k) for k in forgetting["steps_before_end"]], _numbers(forgetting["change"])
        ),
        early=None
        if early is None
        else Early(
            **{key: _numbers(early[key]) for key in ("shares", "accuracy", "confidence")},
            enough=float(early["enough"]),
            num_steps=int(early["num_steps"]),
            num_sequences=int(early["num_sequences"]),
        ),
        examples=[
            Example(
                **{key: str(one[key]) for key in ("name", "label", "predicted")},
                probability=float(one["probability"]),
                window=int(one["window"]),
                occlusion=_numbers(one["occlusion"]),
                integrated_gradients=_numbers(one["integrated_gradients"]),
            )
            for one in values["examples"]
        ],
        skipped={str(key): str(value) for key, value in values["skipped"].items()},
        notes=[str(note) for note in values["notes"]],
    )


def _numbers(values: list[float | None]) -> list[float]:
    """Return a list of numbers; JSON has null for one that is not finite."""
    return [math.nan if value is None else float(value) for value in values]


def finite(values: list[float]) -> Iterator[tuple[int, float]]:
    """Yield place and value of the finite numbers above 0, which a logarithmic axis can show."""
    return ((k, value) for k, value in enumerate(values) if 0 < value < math.inf)

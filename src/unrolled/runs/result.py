"""How a run ended and what it scored: the content of result.json."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Best:
    """When the monitored score was best; value, epoch and step are None before the first score.

    monitor: name of the score, for example val/loss.
    epoch: counted from 0.
    step: optimizer steps done by then.
    """

    monitor: str
    value: float | None = None
    epoch: int | None = None
    step: int | None = None


@dataclass
class Part:
    """One training of a run of several: a member of an ensemble, or a fold.

    name: of its folder in the run folder, for example member-1.
    model: name of the model's class, for example GRU.
    scores: by name. Those of a fold on its test set are scores of a cross-validation.
    seconds: of its training, in the process that finished it.
    """

    name: str
    seed: int
    model: str
    num_parameters: int
    scores: dict[str, float | None]
    seconds: float


@dataclass
class CrossValidation:
    """Scores of the folds of a cross-validation, each on the sequences that it holds out.

    num_sequences: in all folds together; each is held out once.
    noun: what they are: sequences, windows, or recordings of which the windows are averaged.
    num_right: of these, how many were classified correctly.
    num_repeated: sequences with the same values as one outside the fold that holds them out.
    num_right_repeated: of these, how many were classified correctly.
    low, high: 95 % interval of num_right / num_sequences.
    mean, deviation: over the folds, by name (accuracy, loss, ...); standard deviation with n - 1.
    baselines: mean accuracy of predictors without training, by name.
    baseline_pairs: see `Result`; sums over the folds.
    confusion: counts of all held-out sequences, a row per true class.
    """

    num_sequences: int
    num_right: int
    low: float
    high: float
    mean: dict[str, float]
    deviation: dict[str, float]
    baselines: dict[str, float]
    confusion: list[list[int]]
    folds: list[Part]
    num_repeated: int = 0
    num_right_repeated: int = 0
    baseline_pairs: dict[str, list[int]] = field(default_factory=dict)
    noun: str = "sequences"


@dataclass
class Calibration:
    """The temperature of a run; see `classifier.calibration`.

    temperature: by which the logits are divided, > 0.
    fitted_on: val for the validation set, or cv for the held-out predictions of the folds.
    num_sequences: of these, and of windows whose label may change.
    before, after: loss and calibration error of what `predict` writes, by name (val/loss). The
        temperature of a fold's predictions (cv/loss) is fitted on the predictions of the others.
    """

    temperature: float
    fitted_on: str
    num_sequences: int
    before: dict[str, float]
    after: dict[str, float]


@dataclass
class Result:
    """The result of a run. A field is None or empty if the run failed before it was known.

    state: done, failed or interrupted.
    exit_code: of the command line; see `unrolled.errors`.
    error: why the run is not done.
    stopped_by: why training ended before trainer.max_epochs, for example
        "trainer.max_steps=600 reached".
    scores: of the best epoch, by name (val/loss); a value that was not finite is None.
    selection: how the best epoch was chosen, if not by `best.monitor`.
    confusion: counts on the test set, a row per true class.
    baselines: test accuracy of predictors without a training loop, by name.
    baseline_seconds: CPU time of the ones that were fitted (1-NN, MiniRocket), by name.
    baseline_pairs: of these, how many test sequences only the baseline classifies correctly, and
        how many only the model of the run does; see `baselines.comparison.Score`.
    num_sequences: per split.
    num_repeated: sequences of val and test with the same values as one of another split. The names
        of the scores without them begin with unseen, for example test/unseen_accuracy.
    groups: names of the groups (data.group) in each split, if there are groups.
    kernel: which code computed the encoder, torch or native; see model.kernel.
    recipe: what `recipe=small` computed from the sizes of the data; see `small_recipe`.
    members: of an ensemble, with their scores.
    cross_validation: scores of the folds; their means are also scores, by name (cv/accuracy).
    calibration: the temperature of calibration=temperature, or None.
    seconds: total, fit (training and validation) and test.
    """

    state: str = "failed"
    exit_code: int = 1
    error: str | None = None
    stopped_by: str | None = None
    seed: int | None = None
    config_hash: str | None = None
    data_fingerprint: str | None = None
    scores: dict[str, float | None] = field(default_factory=dict)
    best: Best | None = None
    selection: str | None = None
    confusion: list[list[int]] | None = None
    baselines: dict[str, float] = field(default_factory=dict)
    members: list[Part] = field(default_factory=list)
    cross_validation: CrossValidation | None = None
    calibration: Calibration | None = None
    baseline_seconds: dict[str, float] = field(default_factory=dict)
    baseline_pairs: dict[str, list[int]] = field(default_factory=dict)
    num_parameters: int | None = None
    num_sequences: dict[str, int] = field(default_factory=dict)
    num_repeated: dict[str, int] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    kernel: str | None = None
    recipe: dict[str, float] | None = None
    num_epochs: int | None = None
    num_steps: int | None = None
    sequences_per_second: float | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def best_value(self) -> float | None:
        """The best value of the monitored score."""
        return None if self.best is None else self.best.value

    @property
    def held_out_split(self) -> str:
        """The set whose predictions a report shows: test, or val if the test set was not used."""
        return "val" if self.confusion is None and self.cross_validation is None else "test"

    def to_json(self) -> dict[str, Any]:
        """Return plain values for result.json."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Result":
        """Return the result that `to_json` wrote."""
        best, folds = values["best"], values.get("cross_validation")
        calibration = values.get("calibration")
        if folds is not None:
            parts = [Part(**fold) for fold in folds["folds"]]
            folds = CrossValidation(**{**folds, "folds": parts})
        return cls(
            **{
                **values,
                "best": None if best is None else Best(**best),
                "members": [Part(**member) for member in values.get("members", [])],
                "cross_validation": folds,
                "calibration": None if calibration is None else Calibration(**calibration),
            }
        )
